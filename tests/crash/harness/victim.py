"""A ``codex-broker serve`` process that is going to be killed, and its exchange processes."""

import os
import select
import signal
import subprocess
import time
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

from fetchtoken.oauth.spawn import EXCHANGE
from tests.support.daemon import ask
from tests.support.programs import BROKER, Machine, program
from tests.support.wait import until_sync

__all__ = ["Victim"]

_PATIENCE_S = 60.0
_BETWEEN_ASKS_S = 0.01


class Victim:
    """One start of the daemon, as a service manager makes it.

    Args:
        machine: whose daemon it is.
        log: gets its standard error.
    """

    def __init__(self, machine: Machine, log: Path) -> None:
        self._log = log
        self._started_s = time.monotonic()
        with log.open("ab") as err:
            self.process = subprocess.Popen(
                [program(BROKER), "serve"],
                env=machine.environ,
                cwd=machine.home,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=err,
            )
        self.url = ""

    def live(self, for_s: float) -> None:
        """Let it work for so long.

        Raises:
            AssertionError: it ended by itself.
        """
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(for_s)
        assert self.process.returncode is None, f"the daemon ended by itself:\n{self._tail()}"

    def until_ready(self) -> None:
        """Wait for its ready line."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], _PATIENCE_S)
        line = self.process.stdout.readline().decode() if ready else ""
        assert line.startswith("ready http://"), f"the daemon said {line!r}:\n{self._tail()}"
        self.url = line.removeprefix("ready ").strip()

    def until_serving(self, key: str) -> float:
        """Wait until it serves a token; return the seconds since the process was started."""
        end_s = time.monotonic() + _PATIENCE_S
        while not self._serves(key):
            assert time.monotonic() < end_s, f"no token within {_PATIENCE_S} s:\n{self._tail()}"
            time.sleep(_BETWEEN_ASKS_S)
        return time.monotonic() - self._started_s

    def _serves(self, key: str) -> bool:
        try:
            return ask(self.url, "/codex", key=key).status == 200
        except (OSError, HTTPException):
            return False

    def kill(self) -> None:
        """SIGKILL the daemon alone; its exchange processes go on."""
        self.process.kill()
        self._reap()

    def kill_with_exchanges(self) -> None:
        """SIGKILL the daemon and every exchange process that it has."""
        # Stopped, it can start no further one between the look and the blow.
        self.process.send_signal(signal.SIGSTOP)
        until_sync(self._is_stopped)
        for pid in self.exchanges():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.kill()

    def kill_exchange(self, pid: int) -> bool:
        """SIGKILL one exchange process; tell whether it still lived."""
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        try:
            # The pid may be another process's by now; the handle cannot change any more.
            if not _is_exchange(pid):
                return False
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)
        return True

    def exchanges(self) -> list[int]:
        """Return the pids of the exchange processes that it has started and not yet reaped."""
        pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        return [pid for pid in pids if _state_and_parent(pid)[1] == self.process.pid]

    def _is_stopped(self) -> bool:
        return _state_and_parent(self.process.pid)[0] in "TZ"

    def _reap(self) -> None:
        self.process.wait(_PATIENCE_S)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def _tail(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-30:])


def _state_and_parent(pid: int) -> tuple[str, int]:
    """Return a process's state letter and its parent (proc(5)); ``Z`` and 0 where it is gone."""
    try:
        state, parent, *_ = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "Z", 0
    return state, int(parent)


def _is_exchange(pid: int) -> bool:
    try:
        return EXCHANGE.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
