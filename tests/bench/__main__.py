"""Run the measurements and print them: ``python -m tests.bench [--rounds N] [--json]``."""

import argparse
import json
import sys
import tempfile
from importlib.metadata import distribution
from pathlib import Path

from tests.bench.command import command_cases
from tests.bench.processes import Case, measure


def _is_editable() -> bool:
    """Tell whether the environment imports the clone through a finder, which slows every start."""
    text = distribution("codex-token-broker").read_text("direct_url.json") or "{}"
    return bool(json.loads(text).get("dir_info", {}).get("editable"))


def _rows(cases: list[Case]) -> list[dict[str, object]]:
    floor = cases[0]
    return [
        {
            "case": case.name,
            "median_ms": round(case.median_s * 1000, 2),
            "ratio": round(case.median_s / floor.median_s, 2),
            "cpu_ratio": round(case.cpu_s / floor.cpu_s, 2),
            "goal": case.goal,
        }
        for case in cases
    ]


def main() -> None:
    """Measure whole processes and print the ratio of each to a bare interpreter."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, command_cases(Path(directory)) as cases:
        measure(cases, words.rounds)
    rows = _rows(cases)
    if words.json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    lines = [f"{'whole process':32}{'median ms':>10}{'ratio':>8}{'cpu':>8}{'goal':>8}"]
    for row in rows:
        goal = f"≤ {row['goal']}" if row["goal"] is not None else ""
        lines.append(f"{row['case']:32}{row['median_ms']:>10}{row['ratio']:>8}{row['cpu_ratio']:>8}{goal:>8}")
    if _is_editable():
        lines.append("note: an editable install; its finder slows every start, the bare one included")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
