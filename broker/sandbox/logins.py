"""The logins that the sandbox issuer gave out, and what became of their tokens. Pure.

Tokens are known by fingerprint only, so neither the memory nor the state file holds one.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Login", "Logins"]


@dataclass(slots=True, kw_only=True)
class Login:
    """One authorization and the family of tokens that descends from it (RFC 9700)."""

    login_id: str
    """Random, new with every login."""
    client_id: str
    """OAuth client to which the refresh tokens are bound (RFC 6749 §6)."""
    account_id: str
    user_id: str
    email: str
    plan_type: str
    life_s: int
    """Seconds that its access tokens live."""
    refresh_fingerprints: list[str] = field(default_factory=list)
    """Every refresh token, oldest first; only the last one is good."""
    access_expiry: dict[str, int] = field(default_factory=dict)
    """Fingerprint of each access token that may still live → epoch seconds of its end."""
    exchanges: int = 0
    """Exchanges that were committed, rotating or not."""
    revoked: str = ""
    """Why the family is dead, or empty while it lives."""

    @property
    def generation(self) -> int:
        """Ordinal of the good refresh token; 0 is the one that the login gave out."""
        return len(self.refresh_fingerprints) - 1

    def summary(self) -> dict[str, Any]:
        """Return what the control interface shows; no fingerprint lists."""
        return {
            "login_id": self.login_id,
            "client_id": self.client_id,
            "account_id": self.account_id,
            "user_id": self.user_id,
            "email": self.email,
            "plan_type": self.plan_type,
            "life_s": self.life_s,
            "generation": self.generation,
            "exchanges": self.exchanges,
            "revoked": self.revoked,
            "refresh_fingerprint": self.refresh_fingerprints[-1],
        }


class Logins:
    """All families, found by login or by any token they ever had."""

    def __init__(self) -> None:
        self._logins: dict[str, Login] = {}
        self._refresh: dict[str, tuple[str, int]] = {}
        self._access: dict[str, str] = {}

    def __iter__(self) -> Iterator[Login]:
        """Go through the logins in the order in which they were made."""
        return iter(self._logins.values())

    def get(self, login_id: str) -> Login | None:
        """Return the login, or ``None``."""
        return self._logins.get(login_id)

    def add(self, login: Login) -> None:
        """Take in a login with the fingerprints that it already has."""
        self._logins[login.login_id] = login
        for generation, fingerprint in enumerate(login.refresh_fingerprints):
            self._refresh[fingerprint] = (login.login_id, generation)
        for fingerprint in login.access_expiry:
            self._access[fingerprint] = login.login_id

    def by_refresh(self, fingerprint: str) -> tuple[Login, int] | None:
        """Return the login and the generation of a refresh token, good or spent."""
        found = self._refresh.get(fingerprint)
        return None if found is None else (self._logins[found[0]], found[1])

    def by_access(self, fingerprint: str) -> Login | None:
        """Return the login of an access token, alive or not."""
        login_id = self._access.get(fingerprint)
        return None if login_id is None else self._logins[login_id]

    def renew(self, login: Login, *, refresh: str, access: str, expires_at: int, now_s: float) -> None:
        """Commit one exchange and forget access tokens that have expired.

        Args:
            login: the family.
            refresh: fingerprint of the new refresh token; empty keeps the old one good.
            access: fingerprint of the new access token.
            expires_at: epoch seconds at which the access token ends.
            now_s: epoch seconds.
        """
        for fingerprint in [known for known, end in login.access_expiry.items() if end <= now_s]:
            del login.access_expiry[fingerprint], self._access[fingerprint]
        if refresh:
            login.refresh_fingerprints.append(refresh)
            self._refresh[refresh] = (login.login_id, login.generation)
        login.access_expiry[access] = expires_at
        self._access[access] = login.login_id
        login.exchanges += 1

    def to_document(self) -> list[dict[str, Any]]:
        """Return everything as JSON values."""
        return [asdict(login) for login in self]

    @classmethod
    def from_document(cls, document: list[dict[str, Any]]) -> "Logins":
        """Read what :meth:`to_document` wrote.

        Raises:
            TypeError: it is no such document.
        """
        logins = cls()
        for record in document:
            logins.add(Login(**record))
        return logins
