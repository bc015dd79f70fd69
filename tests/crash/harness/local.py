"""Row 3: the kills of ``codex-fetchtoken``, which are tests already, run as many times as asked for."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.crash.harness.figures import Figures

__all__ = ["run_local"]

_TESTS = ("tests/crash/test_local_kills.py", "tests/crash/test_local_single_flight.py")
_ROOT = Path(__file__).parents[3]


def run_local(kills: int, *, seed: int, tell: Callable[[], None]) -> Figures:
    """Interrupt and kill the command and its exchange process; twenty commands at once.

    Args:
        kills: of the command, half of them by Ctrl-C.
        seed: of the choice of instants.
        tell: called once it is over, as nobody can look into its tests.
    """
    figures = Figures(what="codex-fetchtoken")
    with tempfile.TemporaryDirectory(prefix="local-") as name:
        report = Path(name, "report.xml")
        words = ["-q", "-p", "no:cacheprovider", "-n", "0", f"--junitxml={report}", *_TESTS]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *words],
            cwd=_ROOT,
            env={**os.environ, "CRASH_KILLS": str(kills), "CRASH_SEED": str(seed)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        cases = list(ET.parse(report).iter("testcase")) if report.exists() else []  # noqa: S314 - our own
    for case in cases:
        found = {item.get("name"): item.get("value") or "" for item in case.iter("property")}
        figures.kills += int(found.get("kills", 0))
        if case.find("failure") is not None or case.find("error") is not None:
            figures.wrong.append(f"{case.get('name')} failed")
    # Each trial asserts that the issuer rotated its login exactly once, in the end.
    figures.in_flight = figures.rotations = figures.kills
    if done.returncode and not figures.wrong:
        figures.wrong.append(done.stdout[-2000:])
    for _ in range(figures.kills):
        tell()
    return figures
