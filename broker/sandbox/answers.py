"""What the sandbox issuer says: token answers, errors in three shapes, usage. Pure."""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from broker.sandbox.logins import Login
from fetchtoken.domain.jsontext import dumps

__all__ = ["Reply", "Shape", "error_reply", "html_reply", "json_reply", "usage_document"]

_MESSAGES = {
    "access_denied": "The person said no.",
    "authorization_pending": "Nobody has decided yet.",
    "expired_request": "This login was decided before, or waited too long. Start it again.",
    "expired_token": "This code is no good any more.",
    "invalid_client": "Unknown client.",
    "invalid_grant": "This code or refresh token is not good for this client.",
    "invalid_request": "A field is missing or is not a text.",
    "refresh_token_expired": "Your refresh token has expired. Please log in again.",
    "refresh_token_invalidated": "Your refresh token has been revoked. Please log in again.",
    "refresh_token_reused": "Your refresh token has already been used to generate a new access token.",
    "token_invalid": "This access token was not given out here.",
    "token_expired": "Your access token has expired.",
    "token_revoked": "Your access token has been revoked.",
    "slow_down": "You ask more often than you were told.",
    "unknown_code": "No login waits for this code.",
    "unsupported_grant_type": "Only refresh_token and authorization_code are known here.",
}


class Shape(StrEnum):
    """Where an error's code stands; all three occur at OpenAI or in its clients' parsers."""

    NESTED = "nested"
    """``{"error": {"code": …}}``"""
    STRING = "string"
    """``{"error": …}`` (RFC 6749 §5.2)"""
    TOP = "top"
    """``{"code": …}``"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One HTTP answer."""

    status: int
    body: bytes = field(repr=False)
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)

    def with_headers(self, headers: dict[str, str]) -> "Reply":
        """Return a copy with more headers."""
        return replace(self, headers={**self.headers, **headers})


def json_reply(status: int, document: dict[str, Any]) -> Reply:
    """Return a JSON answer that no cache keeps (RFC 6749 §5.1)."""
    headers = {"Cache-Control": "no-store"}
    return Reply(status=status, body=dumps(document).encode(), headers=headers)


def error_reply(status: int, code: str, shape: Shape) -> Reply:
    """Return an error with its code where ``shape`` says; an empty code gives an empty body."""
    message = _MESSAGES.get(code, "The sandbox issuer was told to fail.")
    if not code:
        return Reply(status=status, body=b"")
    if shape is Shape.NESTED:
        error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
        return json_reply(status, {"error": error})
    if shape is Shape.STRING:
        return json_reply(status, {"error": code, "error_description": message})
    return json_reply(status, {"code": code, "message": message})


def html_reply(status: int) -> Reply:
    """Return the kind of page that a proxy or a bot wall puts in the way."""
    page = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>"
    return Reply(status=status, body=page, content_type="text/html; charset=UTF-8")


def usage_document(login: Login, now_s: float) -> dict[str, Any]:
    """Return the body of ``GET /wham/usage``: a five-hour and a weekly window.

    Args:
        login: whose usage; it grows by one percent with each exchange.
        now_s: epoch seconds, from which the windows' ends are counted.
    """
    used = min(100, login.exchanges)
    return {
        "user_id": login.user_id,
        "account_id": login.account_id,
        "email": login.email,
        "plan_type": login.plan_type,
        "rate_limit": {
            "allowed": used < 100,
            "limit_reached": used >= 100,
            "primary_window": _window(used, 18_000, now_s),
            "secondary_window": _window(used, 604_800, now_s),
        },
        "additional_rate_limits": [],
        "credits": {"has_credits": False, "unlimited": False, "balance": "0"},
        "spend_control": {"reached": False},
        "rate_limit_reached_type": None,
        "rate_limit_reset_credits": {"available_count": 0},
    }


def _window(used_percent: int, length_s: int, now_s: float) -> dict[str, int]:
    left_s = length_s - int(now_s) % length_s
    return {
        "used_percent": used_percent,
        "limit_window_seconds": length_s,
        "reset_after_seconds": left_s,
        "reset_at": int(now_s) + left_s,
    }
