"""Tokens as OpenAI's look: JWTs with the same claims, opaque refresh tokens. Pure."""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import jwt

from broker.sandbox.logins import Login
from fetchtoken.domain.secret import Secret

__all__ = ["TokenMaker"]


class TokenMaker:
    """Makes the three tokens of a login.

    Args:
        random_bytes: ``n`` → that many random bytes.
        issuer_url: the ``iss`` claim; a broker with another issuer setting refuses the tokens.
    """

    def __init__(self, random_bytes: Callable[[int], bytes], issuer_url: str = "") -> None:
        self._random_bytes = random_bytes
        self.issuer_url = issuer_url
        self._key = random_bytes(32)

    def raw(self, size: int) -> bytes:
        """Return that many random bytes."""
        return self._random_bytes(size)

    def text(self, size: int = 32) -> str:
        """Return random base64url text of ``size`` bytes."""
        return urlsafe_b64encode(self._random_bytes(size)).decode().rstrip("=")

    def refresh(self) -> Secret:
        """Return a new refresh token, ``rt_…``, 256 bits."""
        return Secret("rt_" + self.text())

    def access(self, login: Login, issued_at: int) -> Secret:
        """Return a new access token that ends ``login.life_s`` after ``issued_at`` (epoch seconds)."""
        profile = {"email": login.email, "email_verified": True}
        return self._sign(
            {
                "aud": ["https://api.openai.com/v1"],
                "client_id": login.client_id,
                "exp": issued_at + login.life_s,
                "https://api.openai.com/auth": _auth(login),
                "https://api.openai.com/profile": profile,
                "iat": issued_at,
                "iss": self.issuer_url,
                "jti": self.text(16),
                "nbf": issued_at,
                "scp": ["openid", "profile", "email", "offline_access"],
                "sub": login.user_id,
            }
        )

    def identity(self, login: Login, issued_at: int) -> Secret:
        """Return a new id token (OpenID Connect Core §2), good for one hour."""
        return self._sign(
            {
                "aud": [login.client_id],
                "email": login.email,
                "email_verified": True,
                "exp": issued_at + 3600,
                "https://api.openai.com/auth": _auth(login),
                "iat": issued_at,
                "iss": self.issuer_url,
                "jti": self.text(16),
                "sub": login.user_id,
            }
        )

    def _sign(self, claims: dict[str, Any]) -> Secret:
        return Secret(jwt.encode(claims, self._key, algorithm="HS256", headers={"kid": "sandbox"}))


def _auth(login: Login) -> dict[str, str]:
    return {
        "chatgpt_account_id": login.account_id,
        "chatgpt_plan_type": login.plan_type,
        "chatgpt_user_id": login.user_id,
        "user_id": login.user_id,
    }
