"""What the model knows of the world: one account, two homes, their attempts, the issuer.

Everything is a tuple of small values, so that states compare and hash by what they are.
"""

from functools import cache
from typing import NamedTuple

from broker.domain.account import State

NONE = -1

FRESH, STALE, EXPIRED = 0, 1, 2
"""Age of the access token that a row holds."""

FIRST, BY_ITSELF, ORDERED = 0, 1, 2
"""Why an attempt sends: for the first time, as an automatic replay, as one that a person ordered."""


class Row(NamedTuple):
    """The account in the store that both homes share."""

    login: int = 0
    generation: int = 0
    state: State = State.ACTIVE
    attempt: int = NONE
    home: int = NONE
    replay_used: bool = False
    restored: bool = False
    """A replay was ordered past a journal that nobody could read: none follows by itself."""
    leased: bool = False
    age: int = STALE
    holds: tuple[int, int] = (0, 0)
    """Which token lies in the row: (login, generation)."""


class Attempt(NamedTuple):
    """One try: its journal file, its exchange process and what is on the wire."""

    home: int
    login: int
    generation: int
    why: int
    armed: bool = False
    late: bool = False
    """More time has passed than a start allows: nothing may be sent any more."""
    process: str = "broker"
    """Who holds the file: the ``broker``, the exchange process before (``started``) or after it
    wrote ``sending``, after it told the answer (``told``), or nobody (``gone``)."""
    journal: str = "intent"
    """Last record of the file: ``missing``, ``intent``, ``sending``, ``unreadable`` or an answer."""
    wire: str = "idle"
    """``idle``, ``out`` (on its way to the issuer), ``over``, or the answer on its way back."""


ANSWERS = ("tokens", "refused", "later", "torn", "unsent")


class Broker(NamedTuple):
    """One daemon of one home, and the one thing that it is doing."""

    up: bool = True
    sweeping: bool = False
    step: str = "free"
    """``free``, ``begun`` (a journal file is made), ``armed``, ``waiting`` (for the exchange
    process), ``heard`` (knows the event) or ``settled`` (the store knows it)."""
    attempt: int = NONE
    event: str = ""
    seen: Row = Row()
    """The row as it was looked at."""


class Budget(NamedTuple):
    """How often things may happen that could happen for ever."""

    attempts: int = 3
    crashes: int = 1
    orders: int = 1
    logins: int = 1
    faults: int = 1
    """Answers that the issuer loses, puts off, or refuses without need; damaged files."""
    handed: int = 0
    """Tokens handed out to a client."""


class World(NamedTuple):
    """A state of everything."""

    row: Row = Row()
    attempts: tuple[tuple[int, Attempt], ...] = ()
    """By number, in order of their making."""
    brokers: tuple[Broker, Broker] = (Broker(), Broker())
    issuer: tuple[tuple[int, bool], ...] = ((0, False),)
    """Of each login the generation that is good now, and whether the family was revoked."""
    orphans: frozenset[tuple[int, int]] = frozenset()
    owed: frozenset[tuple[int, int]] = frozenset()
    """Token answers that were read by somebody and are in no store yet."""
    outstanding: frozenset[tuple[int, int]] = frozenset()
    """Generations that were sent and of which nobody was told that it changed nothing."""
    replayed: frozenset[tuple[int, int]] = frozenset()
    decided: frozenset[tuple[int, int]] = frozenset()
    """Generations of which tokens or a refusal are known."""
    recorded: int = 0
    """Audit records of tokens handed out."""
    handed: tuple[int, bool] = (0, False)
    """Tokens handed out, and whether any was expired."""
    budget: Budget = Budget()

    def attempt(self, number: int) -> Attempt | None:
        """Return an attempt, or ``None`` where nothing is left of it."""
        return next((attempt for known, attempt in self.attempts if known == number), None)

    def with_attempt(self, number: int, attempt: Attempt) -> "World":
        """Return the world with an attempt changed or added."""
        others = tuple(pair for pair in self.attempts if pair[0] != number)
        return self._replace(attempts=tuple(sorted((*others, (number, attempt)), key=lambda pair: pair[0])))

    def with_broker(self, home: int, broker: Broker) -> "World":
        """Return the world with a broker changed."""
        first, second = self.brokers
        return self._replace(brokers=(broker, second) if home == 0 else (first, broker))


def canonical(world: World) -> World:
    """Return the one world that stands for all that differ only in names.

    Attempts of which nothing is left are dropped, the others numbered anew, and of the two ways to
    name the homes the smaller is taken.
    """
    tidy = _renumbered(world)
    other = _swapped(tidy)
    return tidy if _order(tidy) <= _order(other) else other


def _order(world: World) -> tuple[object, ...]:
    return (world.brokers, world.row, world.attempts)


def _renumbered(world: World) -> World:
    first, second = world.brokers
    named = {world.row.attempt, first.attempt, second.attempt, first.seen.attempt, second.seen.attempt}
    kept = tuple(
        (number, _at_rest(attempt))
        for number, attempt in world.attempts
        if number in named or not _is_over(attempt)
    )
    if kept == world.attempts and all(place == number for place, (number, _) in enumerate(kept)):
        return world
    names = {number: place for place, (number, _) in enumerate(kept)} | {NONE: NONE}
    return world._replace(
        row=world.row._replace(attempt=names[world.row.attempt]),
        brokers=(_renamed(first, names), _renamed(second, names)),
        attempts=tuple((names[number], attempt) for number, attempt in kept),
    )


def _renamed(broker: Broker, names: dict[int, int]) -> Broker:
    seen = broker.seen._replace(attempt=names[broker.seen.attempt])
    return broker._replace(attempt=names[broker.attempt], seen=seen)


def _is_over(attempt: Attempt) -> bool:
    return attempt.journal == "missing" and attempt.process == "gone" and attempt.wire != "out"


def _at_rest(attempt: Attempt) -> Attempt:
    if attempt.process == "gone" and attempt.wire in ANSWERS:
        return attempt._replace(wire="over")
    return attempt


_OTHER_HOME = {0: 1, 1: 0, NONE: NONE}


@cache
def _swapped_row(row: Row) -> Row:
    return row._replace(home=_OTHER_HOME[row.home])


@cache
def _swapped_broker(broker: Broker) -> Broker:
    return broker._replace(seen=_swapped_row(broker.seen))


@cache
def _swapped_attempts(attempts: tuple[tuple[int, Attempt], ...]) -> tuple[tuple[int, Attempt], ...]:
    return tuple((number, attempt._replace(home=_OTHER_HOME[attempt.home])) for number, attempt in attempts)


def _swapped(world: World) -> World:
    first, second = world.brokers
    return world._replace(
        row=_swapped_row(world.row),
        brokers=(_swapped_broker(second), _swapped_broker(first)),
        attempts=_swapped_attempts(world.attempts),
    )
