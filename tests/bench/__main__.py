"""Run the measurements and print them: ``python -m tests.bench [--rounds N] [--json]``."""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path

from tests.bench.command import command_cases
from tests.bench.processes import Case, measure
from tests.bench.ssh import ssh_cases


def _is_editable() -> bool:
    """Tell whether the environment imports the clone through a finder, which slows every start."""
    text = distribution("codex-token-broker").read_text("direct_url.json") or "{}"
    return bool(json.loads(text).get("dir_info", {}).get("editable"))


@contextmanager
def all_cases(directory: Path) -> Iterator[list[Case]]:
    """Yield every case, the floor first."""
    with command_cases(directory) as commands, ssh_cases(directory) as overs:
        yield [*commands, *overs]


def _rows(cases: list[Case]) -> list[dict[str, object]]:
    floors = {case.name: case for case in cases} | {"": cases[0]}
    return [
        {
            "case": case.name,
            "median_ms": round(case.median_s * 1000, 2),
            "ratio": round(case.median_s / floors[case.floor].median_s, 2),
            "cpu_ratio": round(case.cpu_s / floors[case.floor].cpu_s, 2),
            "floor": floors[case.floor].name,
            "goal": case.goal,
        }
        for case in cases
    ]


def main() -> None:
    """Measure whole processes; print each one's ratio to a bare interpreter, or to a program like it."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, all_cases(Path(directory)) as cases:
        measure(cases, words.rounds)
    rows = _rows(cases)
    if words.json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    lines = [f"{'whole process':32}{'median ms':>10}{'ratio':>8}{'cpu':>8}{'goal':>8}"]
    for row in rows:
        goal = f"≤ {row['goal']}" if row["goal"] is not None else ""
        beside = "" if row["floor"] == cases[0].name else f"  to: {row['floor']}"
        lines.append(
            f"{row['case']:32}{row['median_ms']:>10}{row['ratio']:>8}{row['cpu_ratio']:>8}{goal:>8}{beside}"
        )
    if _is_editable():
        lines.append("note: an editable install; its finder slows every start, the bare one included")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
