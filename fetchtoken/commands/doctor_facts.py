"""What ``doctor`` knows of a machine: copies of logins, and checks. Facts only, and no token."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Check", "Copy", "Group"]


@dataclass(frozen=True, slots=True)
class Copy:
    """One login in one place.

    Attributes:
        place: the file, with which of several, or the keyring, or a variable.
        tool: the program that keeps it.
        refreshes: when that program exchanges the refresh token, in words.
        stop: what makes it stop.
        form: the key of the file's format.
        token: fingerprint of the refresh token; empty for an access-only copy.
        account_id, user_id, email, plan_type: whose it is.
        issued_at, expires_at: of its access token, epoch seconds.
        last_refresh: epoch seconds.
        disabled: the tool has been told to leave it alone.
        held_by_broker: its refresh token is a broker's credential, which is never spent.
        also: other names of the same file.
        rewritable: ``import --neutralise`` can leave it access-only.
    """

    place: str
    tool: str
    refreshes: str
    stop: str
    form: str
    token: str = ""
    account_id: str = ""
    user_id: str = ""
    email: str = ""
    plan_type: str = ""
    issued_at: int | None = None
    expires_at: int | None = None
    last_refresh: float | None = None
    disabled: bool = False
    held_by_broker: bool = False
    also: tuple[str, ...] = ()
    rewritable: bool = False

    @property
    def age_key(self) -> float:
        """What orders copies: ``iat``, else the last exchange, else 0."""
        return float(self.issued_at if self.issued_at is not None else self.last_refresh or 0)

    @property
    def refreshing(self) -> bool:
        """Whether its program exchanges the refresh token."""
        return bool(self.token) and not self.disabled and not self.held_by_broker


@dataclass(slots=True)
class Group:
    """One login: all copies with the same refresh token, or a user's copies without one.

    Attributes:
        login: a stable id: the refresh token's fingerprint, or whose access-only copies they are.
        copies: newest first.
        refreshed_by: the programs that exchange its refresh token.
        stale: places whose access token is older than the newest one here.
        risk: what may go wrong, or an empty string.
        breaks_at: epoch seconds of what happens next, where that is known.
        breaks: what happens next.
        to_do: one thing to do, or an empty string.
        code: the exit code of what is wrong, or 0.
    """

    login: str
    copies: list[Copy]
    refreshed_by: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    risk: str = ""
    breaks_at: float | None = None
    breaks: str = ""
    to_do: str = ""
    code: int = 0

    def known(self, name: str) -> str:
        """Return ``email``, ``account_id``, ``user_id`` or ``plan_type``, from the newest that says it."""
        return next((value for copy in self.copies if (value := str(getattr(copy, name)))), "")

    @property
    def who(self) -> str:
        """Whose it is, for people."""
        return self.known("email") or self.known("account_id") or "unknown user"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        check: a stable id: what, and of which file, directory or variable.
        ok: ``None`` where it could not be found out.
        detail: what was seen.
        code: the exit code of what is wrong, or 0.
        hint: one thing to do, or an empty string.
    """

    check: str
    ok: bool | None
    detail: str
    code: int = 0
    hint: str = ""
