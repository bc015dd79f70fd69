"""What the broker's answers mean: a token, or which error. Pure; trusts nothing that it reads."""

from __future__ import annotations

from fetchtoken.domain.claims import decode_claims
from fetchtoken.domain.errors import (
    ConfigError,
    Denied,
    FetchTokenError,
    LoginRequired,
    Malformed,
    NotFound,
    Unavailable,
)
from fetchtoken.domain.instants import parse_rfc3339
from fetchtoken.domain.jsontext import loads
from fetchtoken.domain.token import Token

__all__ = ["problem", "token_of"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fetchtoken.net.client import Response

_LONGEST_TOKEN = 64 * 1024
_LONGEST_TEXT = 256
_CODES = frozenset(
    {
        "account_disabled",
        "account_required",
        "insufficient_scope",
        "invalid_request",
        "invalid_token",
        "login_required",
        "not_granted",
        "rate_limited",
        "sealed",
        "token_expiring",
        "unavailable",
    }
)
"""The broker's words; no other word of an answer is repeated to people."""

_DENIED_HINTS = {
    "not_granted": "ask whoever runs the broker: codex-broker client grant",
    "account_disabled": "ask whoever runs the broker: codex-broker account enable",
    "insufficient_scope": "ask whoever runs the broker for a key with the scope token",
}


def token_of(peer: str, response: Response, account: str) -> tuple[Token, str]:
    """Return the token of a 200 and its entity tag.

    Args:
        peer: who answered, for messages.
        response: the complete answer.
        account: the name that was asked for, or an empty string.

    Raises:
        Malformed: it is no token, is another account's, or does not say when it expires.
    """
    document = _document(response)
    if document is None:
        raise Malformed(f"{peer} answered something that is not JSON", hint="check CODEX_REMOTE_URL")
    held = document.get("tokens")
    tokens: dict[str, object] = held if isinstance(held, dict) else {}
    bearer = document.get("access_token", tokens.get("access_token"))
    if not isinstance(bearer, str) or not _is_bearer(bearer):
        raise Malformed(f"{peer} answered without an access token", hint="check CODEX_REMOTE_URL")
    id_token = tokens.get("id_token")
    token = Token.from_jwt(
        bearer,
        id_token=id_token if isinstance(id_token, str) and decode_claims(id_token) is not None else "",
        account_id=_text(peer, document, "account_id"),
        account=_text(peer, document, "account") or account,
        source="remote",
    )
    token.plan_type = _text(peer, document, "plan_type") or token.plan_type
    if account and token.account != account:
        raise Malformed(
            f"{peer} answered with the token of another account than {account}", hint="check CODEX_REMOTE_URL"
        )
    if token.expires_at is None:
        expires_at = parse_rfc3339(document.get("expires_at"))
        if expires_at is None:
            raise Malformed(
                f"{peer} gave a token that does not say when it expires", hint="check CODEX_REMOTE_URL"
            )
        token.expires_at = int(expires_at)
    etag = response.headers.get("etag", "")
    return token, etag if etag.isascii() and etag.isprintable() and len(etag) <= _LONGEST_TEXT else ""


def problem(peer: str, response: Response, account: str) -> FetchTokenError:
    """Return the error that an answer other than 200 stands for.

    Args:
        peer: who answered, for messages.
        response: the answer; its body may be anything.
        account: the name that was asked for, or an empty string.
    """
    status = response.status
    code = _code(response)
    said = f"{status} {code}".strip()
    if status in (401, 403):
        hint = _DENIED_HINTS.get(code, "check CODEX_REMOTE_API_KEY")
        return Denied(f"{peer} refused the request ({said})", hint=hint, code=code)
    if status == 404:
        what = f"no account {account}" if account else "nothing at this URL"
        return NotFound(f"{peer} has {what}", hint="check --account and CODEX_REMOTE_URL", code=code)
    if status == 429 or status >= 500:
        return _not_now(peer, response, said, code, account)
    if (status, code) == (400, "account_required"):
        return ConfigError(f"{peer} serves several accounts to this key", hint="--account NAME", code=code)
    what = (
        "leads elsewhere, which is not followed" if 300 <= status < 400 else "answered something unexpected"
    )
    return Malformed(f"{peer} {what} ({said})", hint="set CODEX_REMOTE_URL to the broker itself", code=code)


def _not_now(peer: str, response: Response, said: str, code: str, account: str) -> FetchTokenError:
    if (response.status, code) == (503, "login_required"):
        who = account or "the account"
        hint = "ask whoever runs the broker"
        return LoginRequired(f"{peer}: {who} must be logged in again", hint=hint, code=code)
    return Unavailable(f"{peer} cannot give a token now ({said})", hint=_later(response, code), code=code)


def _later(response: Response, code: str) -> str:
    wait = response.headers.get("retry-after", "")
    if wait.isascii() and wait.isdigit() and len(wait) < 7:
        return f"try again in {wait} s"
    return "--min-valid 0, or try again later" if code == "token_expiring" else "try again later"


def _document(response: Response) -> dict[str, object] | None:
    try:
        document = loads(response.body.decode())
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _code(response: Response) -> str:
    """Return the broker's own word for a problem (RFC 9457), where it is one that we know."""
    document = _document(response) or {}
    code = document.get("code")
    return code if isinstance(code, str) and code in _CODES else ""


def _is_bearer(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_TOKEN and all("!" <= char <= "~" for char in text)


def _text(peer: str, document: dict[str, object], key: str) -> str:
    value = document.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT or not value.isprintable():
        raise Malformed(f"{peer} answered with an odd {key}", hint="check CODEX_REMOTE_URL")
    return value
