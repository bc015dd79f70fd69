"""Which traps of the Codex CLI the tests name: what pytest collects, read in a process of its own.

``python -m tests.support.traps FILE`` writes a JSON object there: test to numbers, each test as
``tests/module.py::name``, whatever it is parametrised with.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

__all__ = ["named_traps"]

ROOT = Path(__file__).parents[2]
LIMIT_S = 100


class _Collector:
    def __init__(self) -> None:
        self.found: dict[str, list[str]] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note the numbers of each test that would be run."""
        for item in session.items:
            numbers = {number for marker in item.iter_markers("trap") for number in marker.args}
            self.found[item.nodeid.partition("[")[0]] = sorted(numbers)


def named_traps(scratch: Path) -> dict[str, list[str]]:
    """Return the numbers that each test names, for all tests of a plain run that name any.

    Args:
        scratch: a file that does not exist yet.
    """
    files = [str(path) for path in ROOT.glob("tests/**/test_*.py") if "mark.trap(" in path.read_text()]
    command = [sys.executable, "-m", "tests.support.traps", str(scratch), *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, list[str]] = json.loads(scratch.read_text())
    return found


def _main(scratch: str, *files: str) -> int:
    collector = _Collector()
    words = ["--collect-only", "-q", "-n", "0", "-m", "trap and not reliability", *files]
    code = pytest.main(words, plugins=[collector])
    Path(scratch).write_text(json.dumps(collector.found))
    return int(code)


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
