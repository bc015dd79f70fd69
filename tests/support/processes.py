"""What /proc says of processes that are not the test's own children."""

import os
import signal
from pathlib import Path

from fetchtoken.oauth.spawn import EXCHANGE
from tests.support.wait import until_sync

__all__ = ["children", "command_line", "is_exchange", "pid_in_namespace", "state", "stop"]


def _stat(pid: int) -> tuple[str, int]:
    """Return state letter and parent (proc(5)); ``X`` and 0 where it is gone."""
    try:
        letter, parent, *_ = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "X", 0
    return letter, int(parent)


def state(pid: int) -> str:
    """Return a process's state: ``S`` sleeps, ``T`` is stopped, ``Z`` a zombie, ``X`` gone."""
    return _stat(pid)[0]


def children(pid: int) -> list[int]:
    """Return a process's children, zombies among them."""
    everyone = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [other for other in everyone if _stat(other)[1] == pid]


def command_line(pid: int) -> list[str]:
    """Return its words; none for a zombie."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
    except OSError:
        return []


def is_exchange(pid: int) -> bool:
    return EXCHANGE in command_line(pid)


def pid_in_namespace(pid: int) -> int:
    """Return its number in the innermost PID namespace that it is in; 0 where it is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    (line,) = [line for line in text.splitlines() if line.startswith("NSpid:")]
    return int(line.split()[-1])


def stop(pid: int) -> None:
    """Suspend it with SIGSTOP; it stands still on return."""
    os.kill(pid, signal.SIGSTOP)
    until_sync(lambda: state(pid) in "TZX")
