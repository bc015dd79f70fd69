"""What a check of the audit trail is given, and what it finds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from broker.domain.chain import Head, Row, Start

__all__ = ["ChainSeen", "Finding", "Kind", "Known"]


class Kind(StrEnum):
    """What is wrong at a place."""

    CHANGED = "changed"
    """The record, its number or its mac is not what was written."""
    MISSING = "missing"
    """Records before it are gone."""
    MOVED = "moved"
    """A true record stands at another's place."""
    INSERTED = "inserted"
    """It belongs to no chain."""
    TRUNCATED = "truncated"
    """The chain ends before its head."""
    HEAD_MISSING = "head_missing"
    """The head file is gone."""
    HEAD_FORGED = "head_forged"
    """The head file is not what this broker wrote last."""
    UNREADABLE = "unreadable"
    """The database cannot read its own rows here."""


@dataclass(slots=True)
class Finding:
    """One place where the trail is not whole."""

    chain: str
    seq: int
    kind: Kind
    detail: str


@dataclass(slots=True)
class ChainSeen:
    """A chain as far as it was read."""

    chain: str
    records: int = 0
    """Records found, record 0 not counted."""
    start: Start | None = None
    begun_at: float | None = None
    last_at: float | None = None
    last: Head | None = None
    tied: bool = False
    """Whether its end was held against a head outside the store, or one that another chain names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What was known of the trail before its rows were read."""

    heads: Mapping[str, Head]
    """The store's own table of heads."""
    starts: Sequence[Row]
    """The rows of every chain's record 0."""
    own: Sequence[Head] = ()
    """What the head file says, and what a running daemon remembers."""
    problem: Finding | None = None
    """What is wrong with the head file."""
    begun: int | None = None
    """How many chains were ever begun; ``None`` where nobody counted."""
