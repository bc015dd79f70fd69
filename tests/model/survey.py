"""The whole of it: every scene explored, every mutant looked for."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.model.mutants import MUTANTS
from tests.model.protocol import Protocol
from tests.model.search import LARGE, SCENES, Found, explore

__all__ = ["Survey", "survey"]


@dataclass(frozen=True, slots=True)
class Survey:
    """What a survey came to."""

    scenes: dict[str, Found]
    missed: list[str]
    """Mutants that broke nothing, or another rule than theirs."""
    wall_s: float

    @property
    def violations(self) -> list[str]:
        """Broken invariants, each with the way there."""
        found = self.scenes.items()
        return [f"{name}: {got.violation}, by way of {got.way}" for name, got in found if got.violation]

    @property
    def holds(self) -> bool:
        """Whether no invariant is broken, and every mutant is caught."""
        return not self.violations and not self.missed

    def to_document(self) -> dict[str, Any]:
        """Return it as JSON values."""
        found = self.scenes.values()
        return {
            "what": "model",
            "states": sum(got.states for got in found),
            "depth": max(got.depth for got in found),
            "complete": all(got.ended for got in found),
            "violations": self.violations,
            "scenes": {
                name: {"states": got.states, "depth": got.depth, "complete": got.ended}
                for name, got in self.scenes.items()
            },
            "mutants": len(MUTANTS),
            "mutants_caught": len(MUTANTS) - len(self.missed),
            "mutants_missed": self.missed,
            "wall_s": self.wall_s,
        }

    def to_text(self) -> str:
        """Return it as lines for people."""
        value = self.to_document()
        seen = "all of them" if value["complete"] else "not all"
        lines = [f"model: {value['states']} states explored, {seen}, to depth {value['depth']}"]
        lines += [f"  {name}: {got.states} states, depth {got.depth}" for name, got in self.scenes.items()]
        lines.append(f"  mutants caught: {value['mutants_caught']} of {value['mutants']}")
        lines += [f"  NOT CAUGHT: {name}" for name in self.missed]
        return "\n".join(lines + [f"  BROKEN: {text}" for text in self.violations])


def survey(depth: int, *, large: bool, tell: Callable[[], None] = lambda: None) -> Survey:
    """Explore every scene, then look for every mutant.

    Args:
        depth: most moves from the start.
        large: whether to explore the large scenes, too; mutants need none of them.
        tell: called after each scene and each mutant.
    """
    begun_s = time.monotonic()
    scenes, missed = {}, []
    for name, budget in (SCENES | LARGE if large else SCENES).items():
        scenes[name] = explore(Protocol(), budget, depth=depth)
        tell()
    for name, mutant in MUTANTS.items():
        got = explore(mutant(), SCENES[mutant.scene])
        if got.violation[:2] not in mutant.breaks:
            missed.append(name)
        tell()
    return Survey(scenes, missed, round(time.monotonic() - begun_s, 1))
