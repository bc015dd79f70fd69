"""What the broker's answers mean: a token, or which error. Pure; trusts nothing that it reads."""

from __future__ import annotations

from fetchtoken.domain.errors import (
    ConfigError,
    Denied,
    FetchTokenError,
    LoginRequired,
    Malformed,
    NotFound,
    Unavailable,
)
from fetchtoken.domain.jsontext import loads
from fetchtoken.sources.answer import token_in

__all__ = ["problem", "token_of"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fetchtoken.domain.token import Token
    from fetchtoken.net.client import Response

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
    token = token_in(response.body, peer, account, source="remote", hint="check CODEX_REMOTE_URL")
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
