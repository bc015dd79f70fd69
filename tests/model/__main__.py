"""``python -m tests.model [--depth N] [--json]``: how much was explored, and which mistakes it sees.

The exit code is 1 where an invariant is broken or a mutant is not caught.
"""

import argparse
import json
import sys
import time

from tests.model.mutants import MUTANTS
from tests.model.protocol import Protocol
from tests.model.search import LARGE, SCENES, explore


def main() -> int:
    """Explore every scene, then look for every mutant."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--depth", type=int, default=100, help="moves from the start; all states by default")
    parser.add_argument("--large", action="store_true", help="scenes of millions of states, in minutes")
    parser.add_argument("--json", action="store_true", help="print one JSON value")
    options = parser.parse_args()
    begun_s = time.monotonic()
    scenes = SCENES | LARGE if options.large else SCENES
    found = {name: explore(Protocol(), budget, depth=options.depth) for name, budget in scenes.items()}
    seen = {name: explore(mutant(), SCENES[mutant.scene]) for name, mutant in MUTANTS.items()}
    caught = [name for name, got in seen.items() if got.violation[:2] in MUTANTS[name].breaks]
    value = {
        "states": sum(got.states for got in found.values()),
        "depth": max(got.depth for got in found.values()),
        "complete": all(got.ended for got in found.values()),
        "violations": [got.violation for got in found.values() if got.violation],
        "scenes": {name: {"states": got.states, "depth": got.depth} for name, got in found.items()},
        "mutants": len(MUTANTS),
        "caught": len(caught),
        "missed": sorted(set(MUTANTS) - set(caught)),
        "wall_s": round(time.monotonic() - begun_s, 1),
    }
    text = json.dumps(value, indent=2) if options.json else _told(value)
    sys.stdout.write(text + "\n")
    return 1 if value["violations"] or value["missed"] else 0


def _told(value: dict[str, object]) -> str:
    return "\n".join(f"{name:<11}{what}" for name, what in value.items())


if __name__ == "__main__":
    sys.exit(main())
