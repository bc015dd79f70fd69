"""What ``import`` made of one login."""

from __future__ import annotations

from fetchtoken.domain.instants import to_rfc3339
from fetchtoken.formats.login import Login

__all__ = ["Imported"]


class Imported:
    """What became of one login.

    Args:
        account: the account's name.
        login: what is held there now.
        source: the file it came from.
        changed: whether it was not there before.
        duplicates: older copies of it among the files given.
        neutralised: files that hold an access token only from now on.
    """

    __slots__ = ("account", "changed", "duplicates", "login", "neutralised", "source")

    def __init__(  # noqa: PLR0913 - a record; every field is named at the call
        self,
        *,
        account: str,
        login: Login,
        source: str,
        changed: bool,
        duplicates: list[str],
        neutralised: list[str],
    ) -> None:
        self.account = account
        self.login = login
        self.source = source
        self.changed = changed
        self.duplicates = duplicates
        self.neutralised = neutralised

    def to_json(self) -> dict[str, object]:
        """Return what a script may want; no token is in it."""
        expires_at = self.login.expires_at
        return {
            "account": self.account,
            "account_id": self.login.account_id or None,
            "plan_type": self.login.plan_type or None,
            "expires_at": None if expires_at is None else to_rfc3339(expires_at),
            "renewable": bool(self.login.refresh_token),
            "changed": self.changed,
            "source": self.source,
            "format": self.login.form,
            "duplicates": self.duplicates,
            "neutralised": self.neutralised,
        }
