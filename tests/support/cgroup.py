"""A control group of the kernel's, and what systemd does to the one of a unit when it stops it.

systemd itself is not started: its rules (systemd.kill(5), ``KillMode=``) are three lines here, and
what they are applied to is real: the processes that the kernel lists in the group, exchange
processes that have left the daemon's session among them.
"""

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path

from tests.support.need import missing
from tests.support.places import mounted
from tests.support.processes import state
from tests.support.wait import until_sync

__all__ = ["ControlGroup", "KillMode", "control_group"]


class KillMode(StrEnum):
    """Who of a unit gets SIGTERM, and SIGKILL once ``TimeoutStopSec`` has passed."""

    PROCESS = "process"
    """The main process gets both."""
    MIXED = "mixed"
    """The main process gets SIGTERM, everybody SIGKILL."""
    CONTROL_GROUP = "control-group"
    """Everybody gets both; systemd's default."""


class ControlGroup:
    """One group, empty at first.

    Args:
        path: its directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def under(self) -> tuple[str, ...]:
        """The words before a command line that is to run in it."""
        return ("sh", "-c", 'echo $$ > "$0" && exec "$@"', str(self.path / "cgroup.procs"))

    def pids(self) -> list[int]:
        """Return who lives in it; zombies have left it, for all that matters."""
        listed = (self.path / "cgroup.procs").read_text().split()
        return [int(pid) for pid in listed if state(int(pid)) not in "ZX"]

    def kill(self) -> None:
        """SIGKILL everybody at once: what becomes of a group whose machine or container dies."""
        (self.path / "cgroup.kill").write_text("1")
        until_sync(lambda: not self.pids())

    def stop(self, main: int, mode: KillMode) -> None:
        """Do what systemd does to a unit that has not ended when its ``TimeoutStopSec`` is over.

        Args:
            main: the unit's main process.
            mode: its ``KillMode``.
        """
        for pid in self.pids() if mode is KillMode.CONTROL_GROUP else [main]:
            _send(pid, signal.SIGTERM)
        if mode is KillMode.PROCESS:
            _send(main, signal.SIGKILL)
        else:
            self.kill()


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


@contextmanager
def control_group(where: Path) -> Iterator[ControlGroup]:
    """Make a group of one's own, and empty it at the end.

    Args:
        where: a new directory, on which the kernel's one unified hierarchy (cgroups(7)) is mounted:
            it has one whatever a machine's init has mounted, beside those of version 1 too.
    """
    where.mkdir()
    with mounted(where, "-t", "cgroup2", "none"):
        try:
            path = Path(tempfile.mkdtemp(prefix="codex-broker-test-", dir=where))
        except OSError as error:
            missing("a writable cgroup hierarchy", f"the machine's own root; {error.strerror}")
        group = ControlGroup(path)
        try:
            yield group
        finally:
            group.kill()
            until_sync(lambda: _removed(path))


def _removed(path: Path) -> bool:
    """Remove the group; the kernel takes a moment over its dead before it lets go."""
    with suppress(OSError):
        path.rmdir()
    return not path.exists()
