"""What a ChatGPT token says about itself. Decoded, never verified: the issuer's own API does that."""

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64

from fetchtoken.domain.jsontext import dumps, loads

__all__ = ["Claims", "decode_claims", "unsigned_jwt"]

_AUTH = "https://api.openai.com/auth"
_PROFILE = "https://api.openai.com/profile"
_LIMIT = 64 * 1024
"""Longest token looked into, in characters; OpenAI's are about 2,000."""


class Claims:
    """The claims that the programs act on; each may be missing."""

    __slots__ = ("account_id", "email", "exp", "iat", "iss", "plan_type", "user_id")

    def __init__(self, payload: dict[str, object]) -> None:
        auth = _table(payload.get(_AUTH))
        self.exp = _seconds(payload.get("exp"))
        self.iat = _seconds(payload.get("iat"))
        self.iss = _text(payload.get("iss"))
        self.account_id = _text(auth.get("chatgpt_account_id"))
        self.user_id = _text(auth.get("chatgpt_user_id")) or _text(auth.get("user_id"))
        self.plan_type = _text(auth.get("chatgpt_plan_type"))
        self.email = _text(payload.get("email")) or _text(_table(payload.get(_PROFILE)).get("email"))


def _table(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _seconds(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if 0 <= value < 1e11 else None


def decode_claims(token: str) -> dict[str, object] | None:
    """Return the payload of a JWT, or ``None`` where the text has not that shape.

    The signature is not checked (RFC 7519 §7.2 is the relying party's duty; here the token is
    only carried). Padding may be missing or present.
    """
    if len(token) > _LIMIT or not token.isascii():
        return None
    parts = token.strip().split(".")
    if len(parts) != 3 or not all(parts):
        return None
    text = parts[1].rstrip("=").translate(_URLSAFE)
    try:
        raw = a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
        payload = loads(raw.decode())
    except (Base64Error, ValueError):
        return None
    return payload if isinstance(payload, dict) else None


_URLSAFE = {ord("-"): "+", ord("_"): "/"}


def _segment(value: dict[str, object]) -> str:
    raw = b2a_base64(dumps(value).encode(), newline=False).decode()
    return raw.rstrip("=").replace("+", "-").replace("/", "_")


def unsigned_jwt(payload: dict[str, object]) -> str:
    """Return a JWT-shaped text with ``alg: none``, for files that must hold an id token."""
    return f"{_segment({'alg': 'none', 'typ': 'JWT'})}.{_segment(payload)}.bm9uZQ"
