"""Breadth first through every state that can be reached; the shortest way to a broken rule is kept."""

import time
from dataclasses import dataclass

from tests.model.invariants import broken
from tests.model.moves import moves
from tests.model.protocol import Protocol
from tests.model.state import Budget, World, canonical

__all__ = ["LARGE", "SCENES", "Found", "explore"]

SCENES = {
    "two homes": Budget(attempts=2, crashes=1, orders=0, logins=0, faults=0),
    "a new login": Budget(attempts=2, crashes=0, orders=0, logins=1, faults=0),
    "replays": Budget(attempts=3, crashes=0, orders=0, logins=0, faults=1),
    "ordered replays": Budget(attempts=3, crashes=0, orders=1, logins=0, faults=1),
    "faults": Budget(attempts=2, crashes=0, orders=1, logins=0, faults=2),
    "serving": Budget(attempts=1, crashes=0, orders=0, logins=0, faults=1, handed=1),
}
"""Each bounds what could go on for ever; within its bounds nothing is left out."""

LARGE = {
    "crashes": Budget(attempts=2, crashes=2, orders=1, logins=0, faults=0),
    "logins and crashes": Budget(attempts=2, crashes=1, orders=0, logins=1, faults=0),
    "all at once": Budget(attempts=2, crashes=1, orders=1, logins=1, faults=1),
}
"""For a longer search on demand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search came to."""

    states: int
    moves: int
    depth: int
    """Longest shortest way to a state."""
    ended: bool
    """Whether all states within the budget were seen."""
    violation: str
    """``I3: …``, or empty."""
    way: tuple[str, ...]
    """Names of the moves that lead to it."""
    cpu_s: float


def explore(protocol: Protocol, budget: Budget, *, depth: int = 100) -> Found:
    """Visit every state within a budget, to a depth, or until a rule is broken."""
    begun_s = time.process_time()
    start = canonical(World(budget=budget))
    came_from: dict[World, tuple[World, str] | None] = {start: None}
    border, reached, moved, violation, way = [start], 0, 0, "", ()
    while border and reached < depth and not violation:
        reached += 1
        found = []
        for world in border:
            for label, after in moves(world, protocol):
                moved += 1
                violation = broken(world, label, after)
                if violation:
                    way = (*_way(came_from, world), label)
                    break
                known = canonical(after)
                if known not in came_from:
                    came_from[known] = (world, label)
                    found.append(known)
            if violation:
                break
        border = found
    return Found(
        states=len(came_from),
        moves=moved,
        depth=reached if violation or border else reached - 1,
        ended=not border and not violation,
        violation=violation,
        way=way,
        cpu_s=round(time.process_time() - begun_s, 2),
    )


def _way(came_from: dict[World, tuple[World, str] | None], world: World) -> tuple[str, ...]:
    labels = []
    step = came_from[world]
    while step is not None:
        world, label = step
        labels.append(label)
        step = came_from[world]
    return tuple(reversed(labels))
