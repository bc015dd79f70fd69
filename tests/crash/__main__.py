"""``python -m tests.crash``: the rows of the reliability table at their larger figures, or at others.

``--kills`` runs that row at its larger figure, ``--kills 50`` at another, ``--all`` every row: hours.
Real processes meet their end at random instants; a strict issuer's log says what was lost. With
``--json`` one JSON value; with ``--report FILE`` that value goes into a file, anew after each row, and the
text to stdout. The exit code is 1 where a promise was broken.
"""

import argparse
import json
import secrets
import sys
import time
from pathlib import Path
from threading import Lock

from tests.crash.rows import ROWS, Outcome, Row
from tests.support.signals import hear_signals


def main(words: list[str] | None = None) -> int:
    """Run what is asked for, print the figures, and return 1 where a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    for row in ROWS:
        if row.full:
            about = f"row {row.number}: {row.help}; {row.full} unless said"
            parser.add_argument(
                f"--{row.option}", type=int, nargs="?", const=row.full, metavar="N", help=about
            )
        else:
            parser.add_argument(
                f"--{row.option}", action="store_const", const=1, help=f"row {row.number}: {row.help}"
            )
    parser.add_argument("--all", action="store_true", help="every row that is not named otherwise")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32), help="to repeat a run")
    parser.add_argument("--json", action="store_true", help="print one JSON value")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the JSON value there as well")
    options = parser.parse_args(words)
    hear_signals()
    asked = {row: _count(row, options) for row in ROWS}
    if not any(asked.values()):
        parser.error("name a row, or --all")

    begun_s = time.monotonic()
    outcomes: list[Outcome] = []
    for row, count in asked.items():
        if count:
            outcomes.append(row.run(count, seed=options.seed, tell=Teller(row.option, count)))
            if not options.json:
                sys.stdout.write(outcomes[-1].to_text() + "\n")
                sys.stdout.flush()
            if options.report:
                options.report.write_text(_document(options.seed, begun_s, outcomes))
    if options.json:
        sys.stdout.write(_document(options.seed, begun_s, outcomes))
    else:
        sys.stdout.write(f"seed {options.seed}, {_since(begun_s)} s\n")
    return 0 if all(outcome.holds for outcome in outcomes) else 1


def _document(seed: int, begun_s: float, outcomes: list[Outcome]) -> str:
    rows = [outcome.to_document() for outcome in outcomes]
    return json.dumps({"seed": seed, "wall_s": _since(begun_s), "rows": rows}, indent=2) + "\n"


def _since(begun_s: float) -> float:
    return round(time.monotonic() - begun_s, 1)


class Teller:
    """Says on stderr now and then how far a row is; may be called from several threads."""

    def __init__(self, what: str, of: int) -> None:
        self._what = what
        self._of = of
        self._done = 0
        self._lock = Lock()

    def __call__(self) -> None:
        """Count one."""
        with self._lock:
            self._done += 1
            if self._done % 50 == 0:
                sys.stderr.write(f"--{self._what}: {self._done} of {self._of}\n")


def _count(row: Row, options: argparse.Namespace) -> int:
    count: int | None = getattr(options, row.option.replace("-", "_"))
    if count is None:
        return (row.full or 1) if options.all else 0
    return count


if __name__ == "__main__":
    sys.exit(main())
