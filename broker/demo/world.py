"""The stage of the demo: a temporary directory, the programs, and what is known on the way."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fetchtoken.domain.errors import FetchTokenError

__all__ = ["Failed", "Programs", "World"]

_COMMAND_LIMIT_S = 90.0


class Failed(FetchTokenError):
    """A step did not come out as it should; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """The command lines of the programs on stage."""

    broker: Sequence[str]
    fetchtoken: Sequence[str]


@dataclass(slots=True, kw_only=True)
class World:
    """What the steps work on; each leaves here what the next ones need."""

    root: Path
    programs: Programs
    issuer_url: str = ""
    issuer_control: str = field(default="", repr=False)
    broker_url: str = ""
    token: str = field(default="", repr=False)
    """The access token that the command printed last."""
    processes: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """The broker's home."""
        return self.root / "broker"

    @property
    def auth_file(self) -> Path:
        """The file that Codex would have written."""
        return self.root / "codex" / "auth.json"

    @property
    def key_file(self) -> Path:
        """Where the client keeps its API key."""
        return self.root / "client.key"

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the programs' environment: nothing of the caller's own Codex or broker."""
        ours = ("CODEX_", "TOKEN_HTTP_", "OPENAI_", "ACTIVE_PROFILE", "XDG_", "STATE_DIRECTORY")
        kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(ours)}
        return kept | {"HOME": str(self.root), "CODEX_BROKER_HOME": str(self.home)} | dict(extra or {})

    def start(self, name: str, command: Sequence[str], extra: Mapping[str, str] | None = None) -> str:
        """Start a program that goes on, and return the first line that it prints.

        Raises:
            Failed: it ended before it said anything.
        """
        try:
            with (self.root / f"{name}.log").open("a") as log:
                process = subprocess.Popen(  # noqa: S603 - our own programs
                    command,
                    cwd=self.root,
                    env=self.environment(extra),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                )
        except OSError as error:
            raise Failed(f"{command[0]} cannot be started: {error.strerror}") from None
        self.processes[name] = process
        assert process.stdout is not None  # noqa: S101 - PIPE was asked for
        line = process.stdout.readline().strip()
        if not line:
            raise Failed(f"{name} ended at once: {self.last_words(name)}")
        return line

    def run(self, command: Sequence[str], extra: Mapping[str, str] | None = None) -> str:
        """Run a program to its end and return what it printed.

        Raises:
            Failed: it ended with another code than 0, or not in time.
        """
        try:
            done = subprocess.run(  # noqa: S603 - our own programs
                command,
                cwd=self.root,
                env=self.environment(extra),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_COMMAND_LIMIT_S,
                check=False,
            )
        except OSError as error:
            raise Failed(f"{command[0]} cannot be started: {error.strerror}") from None
        except subprocess.TimeoutExpired:
            raise Failed(f"{Path(command[0]).name} did not end within {_COMMAND_LIMIT_S:.0f} s") from None
        if done.returncode != 0:
            said = " / ".join(done.stderr.strip().splitlines()[-2:])
            raise Failed(f"{Path(command[0]).name} ended with {done.returncode}: {said}")
        return done.stdout.strip()

    def broker(self, *words: str) -> str:
        """Run an administrative command."""
        return self.run([*self.programs.broker, *words])

    def kill(self, name: str) -> None:
        """Kill a program that goes on, without warning, and wait until it is gone."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.communicate()

    def last_words(self, name: str) -> str:
        """Return the last two lines that a program wrote for people."""
        log = self.root / f"{name}.log"
        return " / ".join(log.read_text().strip().splitlines()[-2:]) if log.exists() else ""

    def close(self) -> None:
        """End whatever still runs."""
        for name in list(self.processes):
            process = self.processes.pop(name)
            process.terminate()
            try:
                process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
