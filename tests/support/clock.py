"""A clock that a test moves, for programs as they are started by people.

``time.time`` of every process with :attr:`Clock.environ` in its environment, exchange processes
included, is ahead by what the test says, also of those that already run. The monotonic clocks are
not, as when a machine sleeps. Nothing else is changed, and nothing in the programs knows of it.
"""

import os
from pathlib import Path

__all__ = ["Clock"]

_SITE = '''"""Puts this process's wall clock ahead; see tests/support/clock.py."""

import os
import time

_fd = os.open({path!r}, os.O_RDONLY)


def _moved(real=time.time):
    return real() + float(os.pread(_fd, 64, 0))


time.time = _moved
'''


class Clock:
    """One machine's clock.

    Args:
        directory: an empty one, for its files.

    Attributes:
        environ: what a process must find in its environment.
        offset_s: how far it is ahead.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._path = directory / "offset"
        self.environ = {"PYTHONPATH": str(directory)}
        self.move(0)
        (directory / "sitecustomize.py").write_text(_SITE.format(path=str(self._path)))

    def move(self, offset_s: float) -> None:
        """Put it ahead of the true time by so many seconds."""
        self.offset_s = offset_s
        # In place and of one length: whoever reads meanwhile reads the old number or the new one.
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(fd, f"{offset_s:<63.3f}\n".encode(), 0)
        finally:
            os.close(fd)
