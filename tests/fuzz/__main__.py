"""``python -m tests.fuzz --count N``: mutated input for every parser; only declared errors may come.

Auth files of every tool, answers of the token endpoint and of a broker, JWTs, settings files, API keys,
frames, journals, HTTP headers and answers. ``--seed`` repeats a run, input by input; ``--json`` prints
one JSON value. The exit code is 1 where another error came.
"""

import argparse
import json
import secrets
import sys
from time import perf_counter

from tests.fuzz.run import Figures, run_all


def main(words: list[str] | None = None) -> int:
    """Run what is asked for, print the figures, and return 1 where a parser broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, metavar="N", help="of inputs in all; 20,000")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32), help="to repeat a run")
    parser.add_argument("--json", action="store_true", help="print one JSON value")
    options = parser.parse_args(words)
    if options.count < 1:
        parser.error("--count: at least 1")
    begun_s = perf_counter()
    if not options.json:
        sys.stdout.write(f"{'':36}{'inputs':>9}{'accepted':>10}{'refused':>9}{'broken':>8}{'s':>8}\n")
    found = run_all(options.count, options.seed, tell=(lambda _: None) if options.json else _print)
    wall_s = round(perf_counter() - begun_s, 1)
    broken = sum(len(figures.broken) for figures in found)
    if options.json:
        rows = [figures.to_document() for figures in found]
        total = {"seed": options.seed, "count": options.count, "broken": broken, "wall_s": wall_s}
        sys.stdout.write(json.dumps({**total, "parsers": rows}, indent=2) + "\n")
    else:
        sys.stdout.write(f"seed {options.seed}, {options.count} inputs, {broken} broken, {wall_s} s\n")
    return 1 if broken else 0


def _print(figures: Figures) -> None:
    numbers = f"{figures.count:>9}{figures.accepted:>10}{figures.refused:>9}{len(figures.broken):>8}"
    sys.stdout.write(f"{figures.name:36}{numbers}{figures.wall_s:>8.1f}\n")
    for one in figures.broken[:5]:
        sys.stdout.write(f"    input {one['input']}: {one['error']} at {one['where']}: {one['says']}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
