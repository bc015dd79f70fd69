"""The browser's way: the link to open, and what comes back to this machine (RFC 6749 §4.1). Pure."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit

from fetchtoken.domain.errors import Denied, FetchTokenError, Malformed, Unavailable, Unsafe
from fetchtoken.domain.secret import Secret
from fetchtoken.oauth.login.pkce import Pkce

__all__ = [
    "CALLBACK_PATH",
    "PORTS",
    "authorize_url",
    "is_answer",
    "read_answer",
    "read_paste",
    "redirect_uri",
]

PORTS = (1455, 1457)
"""Where the issuer sends a browser back to: the only two ports that Codex's client id may name."""

CALLBACK_PATH = "/auth/callback"
_SCOPE = "openid profile email offline_access api.connectors.read api.connectors.invoke"
_ORIGINATOR = "codex_cli_rs"
_LONGEST = 4096
_CODE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_SHORTEST_CODE = 16
_AGAIN = "start the login again"
_LATER = frozenset({"server_error", "temporarily_unavailable"})


def redirect_uri(port: int) -> str:
    """Return where the issuer sends the browser back to."""
    return f"http://127.0.0.1:{port}{CALLBACK_PATH}"


def authorize_url(issuer: str, *, client_id: str, port: int, pkce: Pkce) -> str:
    """Return the link to open, its parameters in Codex's order.

    Args:
        issuer: its URL, without a slash at the end.
        client_id: the OAuth client that the login shall belong to.
        port: where the answer is awaited.
        pkce: the login's secrets; the verifier is not in the link.
    """
    fields = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri(port),
        "code_challenge": pkce.challenge,
        "code_challenge_method": "S256",
        "state": pkce.state.reveal(),
        "scope": _SCOPE,
        "id_token_add_organizations": "true",
        "codex_cli_simplified_flow": "true",
        "originator": _ORIGINATOR,
    }
    return f"{issuer}/oauth/authorize?{urlencode(fields)}"


def is_answer(query: str) -> bool:
    """Tell whether a request to the callback's path means to answer: a bare visit does not."""
    return any(name in ("code", "error", "state") for name, _ in _fields(query))


def read_answer(query: str, state: Secret) -> Secret:
    """Return the authorization code that an answer brings.

    Args:
        query: what stood behind the ``?``.
        state: the login's own; an answer without it may be a stranger's.

    Raises:
        Unsafe: another state.
        Denied: the person, or the issuer, said no.
        Unavailable: the issuer cannot decide now.
        Malformed: anything else that brings no code.
    """
    fields = _fields(query)
    table = dict(fields)
    if Secret(table.get("state", "")) != state:
        raise Unsafe(
            "the answer that came has another state than this login: it may be a stranger's", hint=_AGAIN
        )
    if len(table) != len(fields):
        raise Malformed("the issuer's answer says something twice", hint=_AGAIN)
    if "error" in table:
        raise _refusal(table["error"], table.get("error_description", ""))
    code = table.get("code", "")
    if not code or not code.isascii() or not code.isprintable():
        raise Malformed("the issuer's answer holds no code", hint=_AGAIN)
    return Secret(code)


def _refusal(word: str, description: str) -> FetchTokenError:
    """Return the error for the issuer's error word; its own text is not shown, but for what Codex knows."""
    if "missing_codex_entitlement" in description:
        return Denied(
            "the login was denied: this workspace has no access to Codex", hint="ask its administrator"
        )
    if word == "access_denied":
        return Denied("the login was denied", hint=f"{_AGAIN} if that was a mistake")
    shown = "".join(char for char in word[:64] if char in _CODE)
    if word in _LATER:
        return Unavailable(f"the issuer cannot log anybody in now ({shown})", hint="try again in a minute")
    return Malformed(f"the issuer ended the login: {shown or 'no reason'}", hint=_AGAIN)


def read_paste(text: str, state: Secret) -> Secret:
    """Return the code of what a person pasted: the address that the browser ended at, or the bare code.

    Raises:
        Malformed: it is neither; worth another try.
        FetchTokenError: as :func:`read_answer`.
    """
    pasted = text.strip()
    hint = f"paste the whole address that begins with {redirect_uri(PORTS[0])}"
    if len(pasted) > _LONGEST:
        raise Malformed("that is too long to be the address", hint=hint)
    if "://" in pasted or pasted.startswith(CALLBACK_PATH):
        parts = _split(pasted)
        if parts[0] != CALLBACK_PATH or not is_answer(parts[1]):
            raise Malformed("that is not the address to which the browser was sent back", hint=hint)
        return read_answer(parts[1], state)
    if "state=" in pasted:
        return read_answer(pasted.lstrip("?"), state)
    if len(pasted) < _SHORTEST_CODE or not _CODE.issuperset(pasted):
        raise Malformed("that is neither the address nor a code", hint=hint)
    return Secret(pasted)


def _split(address: str) -> tuple[str, str]:
    try:
        parts = urlsplit(address)
    except ValueError:
        return "", ""
    return parts.path, parts.query


def _fields(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query, keep_blank_values=True, max_num_fields=32)
    except ValueError:
        return []
