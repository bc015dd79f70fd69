"""What everything in this package works with."""

from collections.abc import Callable
from dataclasses import dataclass, field

from broker.domain.roster import Roster
from broker.refresh.adopted import AdoptedFiles
from broker.refresh.highwater import HighWater
from broker.refresh.journals import Journals
from broker.refresh.vigil import Vigil
from broker.store.store import Store

__all__ = ["Rules", "Workshop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What refreshing goes by. The clock and chance are the only sources of time and randomness."""

    part: float
    """Part of a token's life after which it is due."""
    parallel: int
    """Most exchanges at one time."""
    lease_s: float
    clock: Callable[[], float]
    """Epoch seconds."""
    chance: Callable[[], float]
    """From -1 to 1."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """The store, what is known of it in memory, what the home keeps beside it, the rules."""

    store: Store
    roster: Roster
    journals: Journals
    rules: Rules
    marks: HighWater
    vigil: Vigil = field(default_factory=Vigil)
    adopted: AdoptedFiles = field(default_factory=AdoptedFiles)
