"""The real ``codex-broker``: commands in this process or as processes, and daemons to talk to.

``broker`` (a fixture) is a :class:`Broker` with a fresh home that trusts the ``issuer`` fixture.
"""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tests.support.command import Ran
from tests.support.issuer import Issuer

__all__ = ["BROKER", "FETCHTOKEN", "Broker", "Daemon", "broker"]

BROKER = [sys.executable, "-m", "tests.support.run_broker"]
"""The command line of the console script, without relying on where pip put it."""

FETCHTOKEN = [sys.executable, "-m", "tests.support.run_fetchtoken"]

LIMIT_S = 60
_ROOT = Path(__file__).parents[2]


class Daemon:
    """A daemon in a process of its own.

    Attributes:
        url: where it serves.
        lines: what it printed so far, ``ready`` first.
    """

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self.log = log
        self.lines: list[str] = []
        first = self.next_line()
        assert first.startswith("ready http"), f"{first!r}: {log.read_text()}"
        self.url = first.removeprefix("ready ")

    def next_line(self) -> str:
        """Wait for the next line on stdout; empty where there is none any more."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().rstrip("\n")
        self.lines.append(line)
        return line

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.wait()

    def kill(self) -> None:
        """``kill -9``."""
        self.process.kill()
        self.wait()

    def wait(self) -> int:
        """Wait for its end and return the exit code."""
        self.process.communicate(timeout=LIMIT_S)
        return self.process.returncode


class Broker:
    """A person's home directory with a broker home in it.

    Attributes:
        root: ``HOME``.
        environ: the environment of every command; change it at will.
    """

    def __init__(self, root: Path, issuer: Issuer | None) -> None:
        self.root = root
        self.home = root / "home"
        self.environ = {"HOME": str(root), "PATH": os.environ["PATH"], "CODEX_BROKER_HOME": str(self.home)}
        if issuer is not None:
            self.environ["CODEX_BROKER_ISSUER_URL"] = issuer.url
            self.environ["CODEX_BROKER_ISSUER_BACKEND_URL"] = issuer.backend_url

    def run(self, *words: str, stdin: str = "") -> Ran:
        """Run a command line in this process."""
        from broker.cli.entry import run

        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, self.environ, clear=True),
            mock.patch.object(sys, "argv", ["/opt/bin/codex-broker"]),
            mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()))),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            code = run(list(words))
        return Ran(code, out.getvalue(), err.getvalue())

    def json(self, *words: str) -> Any:
        """Run a command line with ``--json`` and return the value that it prints."""
        ran = self.run(*words, "--json")
        assert ran.code == 0, ran.err
        return json.loads(ran.out)

    def process(self, *words: str, stdin: str = "", environ: Mapping[str, str] | None = None) -> Ran:
        """Run a command line as a process of its own."""
        done = subprocess.run(
            [*BROKER, *words],
            env={**self.environ, "PYTHONPATH": str(_ROOT), **(environ or {})},
            cwd=self.root,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def fetch(self, url: str, key: str, *words: str) -> Ran:
        """Run ``codex-fetchtoken`` as a process of its own, against a broker."""
        keys = {"CODEX_TOKEN_SOURCE": "remote", "CODEX_REMOTE_URL": url, "CODEX_REMOTE_API_KEY": key}
        done = subprocess.run(
            [*FETCHTOKEN, *words],
            env={"HOME": str(self.root), "PATH": os.environ["PATH"], "PYTHONPATH": str(_ROOT), **keys},
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def daemon(self, *words: str) -> Iterator[Daemon]:
        """Run a daemon until the block ends; ``serve --port 0`` unless other words are given."""
        log = self.root / "daemon.log"
        with (
            log.open("a") as stderr,
            subprocess.Popen(
                [*BROKER, *(words or ("serve", "--port", "0"))],
                env={**self.environ, "PYTHONPATH": str(_ROOT)},
                cwd=self.root,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            ) as process,
        ):
            try:
                yield Daemon(process, log)
            finally:
                if process.poll() is None:
                    process.terminate()
                    process.communicate(timeout=LIMIT_S)


@pytest.fixture
def broker(tmp_path: Path, issuer: Issuer) -> Broker:
    """A person with an empty broker home that trusts the sandbox issuer."""
    return Broker(tmp_path, issuer)
