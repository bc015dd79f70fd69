"""What storms at ``/oauth/token`` cost: ``python -m tests.bench.storms [--seconds N] [--per-s N] [--json]``.

A real broker, and beside each storm, from the same address, a client and another machine that ask in
turns; the first row has no storm. ``--per-s 0`` posts as fast as it goes.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from threading import Event
from time import perf_counter

from tests.support.daemon import Answer, running_daemon
from tests.support.issuer import Issuer, issuer_in_thread
from tests.support.storms import KINDS, Sky, memory_kb, post, storming

BETWEEN_S = 0.2
"""From one question of a neighbour to the next: in half a minute fewer than one machine may ask at once."""


class Neighbours:
    """A client and a machine behind the storm's address.

    Attributes:
        taken_s: how long each answer took.
        refused: answers that were none.
    """

    def __init__(self, sky: Sky, key: str, source: str) -> None:
        self._sky, self._key, self._source = sky, key, source
        self._machine = sky.machine()
        self.taken_s: list[float] = []
        self.refused = 0
        self.ask()
        self.taken_s.clear()

    def ask(self) -> None:
        """Ask once each."""
        self._timed(lambda: self._sky.daemon.get("/codex", self._key, source=self._source))
        self._timed(lambda: post(self._sky.daemon.url, self._machine, source=self._source))

    def _timed(self, asking: Callable[[], Answer]) -> None:
        begin_s = perf_counter()
        self.refused += asking().status != 200
        self.taken_s.append(perf_counter() - begin_s)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _row(broker: tuple[Sky, Issuer, str], kind: str, posts: int, per_s: float) -> dict[str, object]:
    """Measure one storm; an empty kind is none."""
    sky, issuer, key = broker
    source, pid, pause = sky.address(), sky.daemon.process.pid, Event()
    neighbours = Neighbours(sky, key, source)
    exchanges, memory, cpu_s, begin_s = len(issuer.exchanges()), memory_kb(pid), _cpu_s(pid), perf_counter()
    answers: dict[int, int] = {}
    if kind:
        with storming(sky, kind, posts=posts, per_s=per_s, source=source) as storm:
            while not storm.over.is_set():
                neighbours.ask()
                pause.wait(BETWEEN_S)
        answers = dict(sorted(storm.answers.items()))
    else:
        for _ in range(100):
            neighbours.ask()
            pause.wait(BETWEEN_S)
    taken_s = perf_counter() - begin_s
    return {
        "storm": kind or "none",
        "posts": sum(answers.values()),
        "answers": answers,
        "per_s": round(sum(answers.values()) / taken_s, 1),
        "exchanges": len(issuer.exchanges()) - exchanges,
        "memory_kb": memory_kb(pid) - memory,
        "cpu_percent": round(100 * (_cpu_s(pid) - cpu_s) / taken_s, 1),
        "neighbours": len(neighbours.taken_s),
        "refused": neighbours.refused,
        "p50_ms": round(median(neighbours.taken_s) * 1000, 2),
        "p99_ms": round(quantiles(neighbours.taken_s, n=100)[98] * 1000, 2),
    }


@contextmanager
def _sky(directory: Path) -> Iterator[tuple[Sky, Issuer, str]]:
    with issuer_in_thread() as issuer, running_daemon(directory, issuer.url) as daemon:
        daemon.hold(issuer.mint(age_s=3600), "work")
        yield Sky(daemon), issuer, daemon.add_client("laptop", "work")


def main() -> None:
    """Measure each kind of storm; print what it cost the broker and those beside it."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.storms", description=main.__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--per-s", type=float, default=40)
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    posts = int(words.seconds * (words.per_s or 400))
    with tempfile.TemporaryDirectory() as directory, _sky(Path(directory)) as broker:
        sky = broker[0]
        for kind in KINDS:  # what is kept for reuse
            with storming(sky, kind, posts=100, source=sky.address()):
                pass
        rows = [_row(broker, "", 0, 0)]
        rows += [_row(broker, kind, posts, words.per_s) for kind in KINDS]
    if words.json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    names = (
        "posts",
        "per_s",
        "exchanges",
        "memory_kb",
        "cpu_percent",
        "neighbours",
        "refused",
        "p50_ms",
        "p99_ms",
    )
    lines = [f"{'storm':12}" + "".join(f"{name:>13}" for name in names) + "  answers"]
    for row in rows:
        answers = " ".join(f"{status}x{number}" for status, number in row["answers"].items())
        lines.append(f"{row['storm']:12}" + "".join(f"{row[name]:>13}" for name in names) + f"  {answers}")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
