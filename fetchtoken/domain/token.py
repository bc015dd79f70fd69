"""An access token and what is known about it."""

from fetchtoken.domain.claims import Claims, decode_claims
from fetchtoken.domain.secret import Secret

__all__ = ["CODEX_WINDOW_S", "REFRESH_AT", "Token", "refresh_due_at"]

CODEX_WINDOW_S = 360
"""A token with less than this left counts as expired: Codex would refresh it in a loop."""

REFRESH_AT = 0.6
"""Part of its life after which a token is due."""


def refresh_due_at(issued_at: float, expires_at: float, *, part: float = REFRESH_AT) -> float:
    """Return the epoch second at which a token is due: issued + part of its life."""
    return issued_at + (expires_at - issued_at) * part


class Token:
    """One access token as a source gives it out.

    Args:
        access_token: the bearer.
        expires_at: epoch seconds, or ``None`` for an opaque token of unknown life.
        issued_at: epoch seconds, or ``None``.
        account: the name under which the source knows it, or an empty string.
        account_id: ``chatgpt_account_id``, or an empty string.
        plan_type: the plan claim, or an empty string.
        source: ``local``, ``remote`` or ``ssh``.
        id_token: the id token where the source has one.
    """

    __slots__ = (
        "access_token",
        "account",
        "account_id",
        "expires_at",
        "id_token",
        "issued_at",
        "plan_type",
        "source",
    )

    def __init__(  # noqa: PLR0913 - a record; every field is named at the call
        self,
        *,
        access_token: Secret,
        expires_at: int | None,
        issued_at: int | None = None,
        account: str = "",
        account_id: str = "",
        plan_type: str = "",
        source: str = "",
        id_token: Secret | None = None,
    ) -> None:
        self.access_token = access_token
        self.expires_at = expires_at
        self.issued_at = issued_at
        self.account = account
        self.account_id = account_id
        self.plan_type = plan_type
        self.source = source
        self.id_token = id_token

    @classmethod
    def from_jwt(
        cls,
        access_token: str,
        *,
        id_token: str = "",
        account_id: str = "",
        account: str = "",
        source: str = "",
    ) -> "Token":
        """Read times from the access token, identity from the id token first (as Codex does)."""
        claims = Claims(decode_claims(access_token) or {})
        identity = Claims(decode_claims(id_token) or {})
        return cls(
            access_token=Secret(access_token),
            expires_at=claims.exp,
            issued_at=claims.iat,
            account=account,
            account_id=account_id or identity.account_id or claims.account_id,
            plan_type=identity.plan_type or claims.plan_type,
            source=source,
            id_token=Secret(id_token) if id_token else None,
        )

    def seconds_left(self, now_s: float) -> float:
        """Return the seconds until it expires; infinity where that is unknown, 0 for an empty token."""
        if not self.access_token:
            return 0.0
        return float("inf") if self.expires_at is None else self.expires_at - now_s

    def __repr__(self) -> str:
        return f"Token(account={self.account!r}, source={self.source!r}, expires_at={self.expires_at})"
