"""``python -m tests.crash``: the reliability figures, by default at a size that takes hours.

Real processes are killed with SIGKILL at random instants; a strict issuer's log says what was lost.
A row is left out with 0. The exit code is 1 where a promise was broken.
"""

import argparse
import json
import secrets
import sys
import time

from tests.crash.harness.figures import Figures
from tests.crash.harness.lane import Target
from tests.crash.harness.local import run_local
from tests.crash.harness.run import run_kills


def main() -> int:
    """Run what is asked for, print the figures, and return 1 where a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=5000, help="kills of the broker alone")
    parser.add_argument("--both", type=int, default=2000, help="kills of the broker and its exchanges")
    parser.add_argument("--exchange", type=int, default=1000, help="kills of exchange processes alone")
    parser.add_argument("--local", type=int, default=50, help="kills of codex-fetchtoken")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32), help="to repeat a run")
    parser.add_argument("--json", action="store_true", help="print one JSON value")
    options = parser.parse_args()

    begun_s = time.monotonic()
    asked = {Target.BROKER: options.kills, Target.BOTH: options.both, Target.EXCHANGE: options.exchange}
    rows = [
        run_kills(target, kills, seed=options.seed, tell=Teller(str(target), kills))
        for target, kills in asked.items()
        if kills
    ]
    rows += [run_local(options.local)] if options.local else []
    _show(rows, options.seed, round(time.monotonic() - begun_s, 1), as_json=options.json)
    return 0 if all(row.holds for row in rows) else 1


class Teller:
    """Says on stderr now and then how far a row is."""

    def __init__(self, what: str, of: int) -> None:
        self._what = what
        self._of = of
        self._done = 0

    def __call__(self) -> None:
        """Count one kill."""
        self._done += 1
        if self._done % 50 == 0:
            sys.stderr.write(f"{self._what}: {self._done} of {self._of} kills\n")


def _show(rows: list[Figures], seed: int, wall_s: float, *, as_json: bool) -> None:
    if as_json:
        value = {"seed": seed, "wall_s": wall_s, "rows": [row.to_document() for row in rows]}
        sys.stdout.write(json.dumps(value, indent=2) + "\n")
        return
    for row in rows:
        sys.stdout.write(row.to_text() + "\n")
    sys.stdout.write(f"seed {seed}, {wall_s} s\n")


if __name__ == "__main__":
    sys.exit(main())
