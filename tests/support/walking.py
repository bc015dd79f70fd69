"""A ``login`` command under way: what it shows is read as it comes, and the test decides at the issuer."""

import json
import signal
import subprocess
import threading
from pathlib import Path
from typing import IO

from tests.support.command import Ran
from tests.support.daemon import Daemon
from tests.support.issuer import Issuer
from tests.support.programs import BROKER, FETCHTOKEN, LIMIT_S, Machine
from tests.support.visitor import Page, approve_device, decide, visit
from tests.support.wait import until_sync

__all__ = ["LOGIN_ISSUER", "Walking", "said_of", "start_account_login", "start_login"]

LOGIN_ISSUER = "CODEX_APP_SERVER_LOGIN_ISSUER"


class Walking:
    """One command between its start and its end.

    Args:
        process: started with pipes.
        issuer: where its login is decided.
    """

    def __init__(self, process: subprocess.Popen[str], issuer: Issuer) -> None:
        self.process = process
        self.issuer = issuer
        self._said: list[str] = []
        assert process.stderr is not None
        self._reader = threading.Thread(target=self._read, args=(process.stderr,), daemon=True)
        self._reader.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self._said.append(line)

    @property
    def err(self) -> str:
        return "".join(self._said)

    def shown(self, start: str = "") -> str:
        """Wait for a line to copy that starts so, and return it."""

        def found() -> list[str]:
            lines = [line.strip() for line in list(self._said) if line.startswith("  ")]
            return [line for line in lines if line.startswith(start)]

        until_sync(lambda: found() or self.process.poll() is not None, within_s=LIMIT_S)
        assert found(), self.err
        return found()[0]

    def user_code(self) -> str:
        self.shown("http")
        until_sync(lambda: len([line for line in list(self._said) if line.startswith("  ")]) > 1)
        return [line.strip() for line in list(self._said) if line.startswith("  ")][1]

    def approve_device(self, decision: str = "approve", email: str = "sandbox@example.com") -> "Walking":
        page = approve_device(self.issuer.url, self.user_code(), decision=decision, email=email)
        assert page.status == 200, page
        return self

    def come_back(self, decision: str = "approve", email: str = "sandbox@example.com") -> Page:
        """Decide in the browser and follow the way back to the command."""
        return visit(decide(self.shown("http"), decision=decision, email=email))

    def send(self, number: int) -> "Walking":
        self.process.send_signal(number)
        return self

    def interrupt(self) -> "Walking":
        return self.send(signal.SIGINT)

    def ended(self) -> Ran:
        """Wait for its end and return what it did."""
        assert self.process.stdout is not None
        out = self.process.stdout.read()
        code = self.process.wait(LIMIT_S)
        self._reader.join(LIMIT_S)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        return Ran(code, out, self.err)


def start_login(machine: Machine, issuer: Issuer, *words: str, **more: str) -> Walking:
    """Start ``codex-fetchtoken login`` against the sandbox, whose device codes want no pause."""
    issuer.settings(device_interval_s=0)
    environ = {LOGIN_ISSUER: issuer.url, **more}
    return Walking(machine.start(FETCHTOKEN, "login", *words, **environ), issuer)


def start_account_login(daemon: Daemon, issuer: Issuer, *words: str) -> Walking:
    """Start ``codex-broker account login`` beside a daemon whose issuer is the sandbox."""
    issuer.settings(device_interval_s=0)
    return Walking(daemon.machine.start(BROKER, "account", "login", *words), issuer)


def said_of(file: Path) -> dict[str, object]:
    """Return an auth file as it stands."""
    found: dict[str, object] = json.loads(file.read_text())
    return found
