"""Second lives of a home: how an older or another copy of it is told from the home itself. Pure.

Theory
    To the issuer, two copies of one store are two holders of each login: whichever exchanges a
    refresh token second ends the login for both. So whatever may be a copy must not send by itself.

Rules
    - The store is *put back* where the home's high-water mark, which lies outside it, is ahead: of
      the change counter, or of a row. A mark becomes durable after the row that it is about and
      before anything is sent, so a crash leaves rows ahead of their marks, never behind.
    - The store is *another home's* where it names a home and not this one.
    - The home is *copied* where its marker file has both another inode and another time of birth
      than it had when it was made. One alone may change by itself (network and overlay file
      systems, a shrunk disk), and so may a machine id (containers): that is worth a note only.
    - The home *slept* where nobody was at work in it for longer than ``refresh.absence``. A machine
      brought back from an old image cannot be told from one that was switched off for so long.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from broker.domain.records import Account

__all__ = [
    "Mark",
    "Marker",
    "Reading",
    "Why",
    "behind",
    "has_slept",
    "is_spent",
    "mark_of",
    "read_marker",
    "spent",
    "why_of",
    "word_of",
]


class Why(StrEnum):
    """Why accounts are not exchanged without a person."""

    BACKUP = "backup_restored"
    PUT_BACK = "store_put_back"
    OTHER_HOME = "store_of_another_home"
    COPIED = "home_copied"
    SLEPT = "home_slept"
    FILE = "file_moved_on"
    """Its source file holds a refresh token of the same user that never was here."""
    SPENT = "refresh_token_spent"
    """This home has exchanged the refresh token that came back with its store: nobody may send it."""


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """How far a login had got when it was last written down."""

    generation: int
    revision: int


def mark_of(account: Account) -> Mark:
    """Return the mark of a row."""
    return Mark(account.generation, account.revision)


def behind(
    accounts: Iterable[Account], marks: Mapping[str, Mark], *, top: int, counter: int
) -> tuple[Account, ...]:
    """Return the accounts whose rows are older than this home has seen them.

    Args:
        accounts: every row of the store.
        marks: by login id.
        top: the newest revision that was ever marked.
        counter: the store's change counter. Where it is behind ``top``, a login without a mark is
            one that had left the store.
    """
    return tuple(
        account
        for account in accounts
        if (
            counter < top
            if (mark := marks.get(account.login_id)) is None
            else account.generation < mark.generation or account.revision < mark.revision
        )
    )


def spent(accounts: Iterable[Account], marks: Mapping[str, Mark]) -> tuple[Account, ...]:
    """Return the accounts whose generation this home has exchanged already.

    Args:
        accounts: every row of the store.
        marks: by login id.
    """
    return tuple(
        account
        for account in accounts
        if (mark := marks.get(account.login_id)) is not None and account.generation < mark.generation
    )


def is_spent(account: Account) -> bool:
    """Tell whether an account is marked so: even an operator's order would only end its login."""
    return account.restored and why_of(account.last_error)[0] is Why.SPENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """What a home's marker file says of itself, and what the file system says of it."""

    home: str
    """32 hex digits, made with the file."""
    inode: int
    born_ns: int | None
    """Nanoseconds since 1970; ``None`` on a file system that does not tell."""


class Reading(StrEnum):
    """What a marker file's own testimony is worth."""

    SAME = "same"
    COPIED = "copied"
    UNSURE = "unsure"
    """Something changed that may change by itself."""


def read_marker(said: Marker, *, inode: int, born_ns: int | None) -> Reading:
    """Compare what a marker file says with where and when the file system says that it was made."""
    if said.inode == inode and born_ns in (None, said.born_ns):
        return Reading.SAME
    if said.inode != inode and None not in (said.born_ns, born_ns) and said.born_ns != born_ns:
        return Reading.COPIED
    return Reading.UNSURE


def has_slept(last_s: float, now_s: float, absence_s: float) -> bool:
    """Tell whether nobody was at work for too long; a clock that went back says nothing."""
    return now_s - last_s > absence_s


def word_of(why: Why, detail: str = "") -> str:
    """Return what an account's ``last_error`` says of it."""
    return f"{why}: {detail}" if detail else str(why)


def why_of(last_error: str) -> tuple[Why | None, str]:
    """Return what :func:`word_of` was given, or ``None`` where it was something else."""
    word, _, detail = last_error.partition(": ")
    return (Why(word), detail) if word in frozenset(Why) else (None, "")
