"""OpenAI's device flow, which is not RFC 8628: what is sent and what the answers mean. Pure.

The client asks for a code, the person types it at ``{issuer}/codex/device``, the client asks again
and again. 403 and 404 mean "not yet"; the answer that ends the waiting brings an authorization
code *and* the PKCE verifier, which the issuer made.
"""

from __future__ import annotations

from dataclasses import dataclass

from fetchtoken.domain.errors import Denied, Malformed, Unavailable
from fetchtoken.domain.jsontext import dumps
from fetchtoken.domain.secret import Secret
from fetchtoken.oauth.messages import error_code, json_object

__all__ = [
    "LIFE_S",
    "TOKEN_PATH",
    "USERCODE_PATH",
    "DeviceCode",
    "Poll",
    "expired",
    "page_url",
    "poll_body",
    "read_poll",
    "read_usercode",
    "redirect_uri",
    "usercode_body",
]

USERCODE_PATH = "/api/accounts/deviceauth/usercode"
TOKEN_PATH = "/api/accounts/deviceauth/token"  # noqa: S105 - a path
LIFE_S = 900.0
"""Seconds after which a code is no good; the issuer does not say, Codex waits as long."""

_USUAL_S = 5.0
_SHORTEST_S = 1.0
_LONGEST_S = 60.0
_SLOWER_S = 5.0
"""What ``slow_down`` adds (RFC 8628 §3.5)."""

_LONGEST_CODE = 64
_AGAIN = "start the login again"


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What the issuer gave out for one login."""

    device_auth_id: Secret
    user_code: str
    """What the person types, as the issuer writes it."""
    interval_s: float
    """Seconds between two polls."""


@dataclass(frozen=True, slots=True)
class Poll:
    """What one poll came to: a code with its verifier, or the pause until the next."""

    code: Secret | None = None
    verifier: Secret | None = None
    slower_s: float = 0.0
    """Seconds by which the interval grows from now on."""


def page_url(issuer: str) -> str:
    """Return where the person types the code."""
    return f"{issuer}/codex/device"


def redirect_uri(issuer: str) -> str:
    """Return the redirect URI with which the code must be exchanged; nobody is sent there."""
    return f"{issuer}/deviceauth/callback"


def usercode_body(client_id: str) -> bytes:
    """Return the JSON body with which a login begins."""
    return dumps({"client_id": client_id}).encode()


def poll_body(code: DeviceCode) -> bytes:
    """Return the JSON body of a poll."""
    return dumps({"device_auth_id": code.device_auth_id.reveal(), "user_code": code.user_code}).encode()


def read_usercode(status: int, body: bytes) -> DeviceCode:
    """Read the answer to the first request.

    Raises:
        Unavailable: the issuer has no device login, or cannot give a code now.
        Malformed: 2xx, and no code in it.
    """
    if status == 404:
        raise Unavailable("the issuer offers no device login", hint="log in with --browser")
    if not 200 <= status < 300:
        raise Unavailable(f"the issuer gave no device code: status {status}", hint="try again in a minute")
    table = json_object(body) or {}
    device, user = table.get("device_auth_id"), table.get("user_code") or table.get("usercode")
    if not isinstance(device, str) or not device or not isinstance(user, str) or not _is_shown(user):
        raise Malformed("the issuer's device code cannot be read", hint="log in with --browser")
    return DeviceCode(Secret(device), user, _interval_s(table.get("interval")))


def read_poll(status: int, body: bytes) -> Poll:
    """Read the answer to a poll; one that decides nothing is a pause.

    Raises:
        Denied: the person said no.
        Unavailable: the code is no good any more.
        Malformed: the issuer ended the login in a way that is not known.
    """
    if 200 <= status < 300:
        table = json_object(body) or {}
        code, verifier = table.get("authorization_code"), table.get("code_verifier")
        if not isinstance(code, str) or not isinstance(verifier, str) or not _is_sent(code, verifier):
            raise Malformed("the issuer's approval cannot be read", hint=_AGAIN)
        return Poll(Secret(code), Secret(verifier))
    word = error_code(body)
    if status in (403, 404) or word == "authorization_pending":
        return Poll()
    if status >= 500 or status == 429 or word == "slow_down":
        return Poll(slower_s=_SLOWER_S)
    if word == "access_denied":
        raise Denied("the login was denied", hint=f"{_AGAIN} if that was a mistake")
    if word == "expired_token":
        raise expired()
    raise Malformed(f"the issuer ended the device login: status {status}", hint=_AGAIN)


def expired() -> Unavailable:
    """Return the error for a code that nobody approved in time: nothing was decided, so try again."""
    return Unavailable("nobody approved the login in time", hint=_AGAIN)


def _is_sent(*texts: str) -> bool:
    """Tell whether texts could stand in a form as they are: JSON may hold what no form can."""
    return all(text and text.isascii() and text.isprintable() and " " not in text for text in texts)


def _is_shown(code: str) -> bool:
    return len(code) <= _LONGEST_CODE and code.isascii() and code.isprintable() and code.strip() == code


def _interval_s(value: object) -> float:
    """Return the interval, which the issuer writes as a text; within what is decent."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:6])
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return _USUAL_S
    return min(max(float(value), _SHORTEST_S), _LONGEST_S)
