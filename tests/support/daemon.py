"""A real ``codex-broker`` daemon with the strict sandbox as its issuer, on a machine of its own.

``with running_daemon(root, issuer.url) as daemon:`` serves from a new home until the block ends.
:meth:`Daemon.admin` runs administrative commands against it, :meth:`Daemon.get` asks it over HTTP,
:meth:`Daemon.kill` and :meth:`Daemon.start` crash it and bring it back on the same port.
"""

import json
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from broker.admin.client import SocketCaller
from tests.support.command import Ran
from tests.support.issuer import Login
from tests.support.programs import BROKER, Machine, program
from tests.support.wait import until_sync

__all__ = ["Answer", "Daemon", "ask", "running_daemon"]

LIMIT_S = 60
"""Longest wait for a start, a stop or an answer."""


@dataclass(frozen=True)
class Answer:
    """What the HTTP API said; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The problem's code, or an empty text."""
        kind = self.headers.get("content-type", "")
        return str(self.document["code"]) if kind == "application/problem+json" else ""


def ask(
    url: str,
    path: str,
    *,
    method: str = "GET",
    key: str = "",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    source: str = "",
) -> Answer:
    parts = urlsplit(url)
    source_address = (source, 0) if source else None
    connection = HTTPConnection(
        parts.hostname or "", parts.port, timeout=LIMIT_S, source_address=source_address
    )
    sent = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        connection.request(method, path, body, headers={**sent, **(headers or {})})
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read())
    finally:
        connection.close()


class Daemon:
    """One daemon, its home and the person who runs it.

    Attributes:
        machine: whose commands these are.
        url: where it serves, once started.
        home: the broker's home.
        under: the words before its command line: what puts it into a control group or a container.
    """

    def __init__(self, machine: Machine, issuer_url: str) -> None:
        self.machine = machine
        self.home = machine.home / ".local" / "state" / "codex-broker"
        self.url = ""
        self.under: tuple[str, ...] = ()
        self._out = machine.home.parent / "daemon.out"
        self._err = machine.home.parent / "daemon.err"
        self._process: subprocess.Popen[bytes] | None = None
        machine.environ |= {
            "CODEX_BROKER_ISSUER_URL": issuer_url,
            "CODEX_BROKER_ISSUER_BACKEND_URL": f"{issuer_url}/backend-api",
            "CODEX_BROKER_SERVER_PORT": "0",
        }

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None, "it is not started"
        return self._process

    @property
    def out(self) -> str:
        """What it wrote to stdout since its first start."""
        return self._out.read_text()

    @property
    def log(self) -> str:
        """What it wrote to stderr since its first start."""
        return self._err.read_text()

    def start(self, *words: str, **more: str) -> "Daemon":
        """Start it (``up`` unless told otherwise) and wait for its ready line; a restart keeps the port."""
        before = len(self.out) if self._out.exists() else 0
        if self.url:
            more = {"CODEX_BROKER_SERVER_PORT": str(urlsplit(self.url).port), **more}
        with self._out.open("ab") as out, self._err.open("ab") as err:
            self._process = process = subprocess.Popen(
                [*self.under, program(BROKER), *(words or ("up",))],
                env={**self.machine.environ, **more},
                cwd=self.machine.home,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        until_sync(lambda: "\n" in self.out[before:] or process.poll() is not None, within_s=LIMIT_S)
        first = self.out[before:].partition("\n")[0]
        assert first.startswith("ready http"), f"it said {first!r} and\n{self.log}"
        self.url = first.removeprefix("ready ")
        return self

    def stop(self) -> int:
        """Send SIGTERM and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(LIMIT_S)

    def kill(self) -> None:
        """Send SIGKILL and wait for its end."""
        self.process.kill()
        self.process.wait(LIMIT_S)

    def admin(self, *words: str, stdin: str = "", **more: str) -> Ran:
        """Run an administrative command."""
        return self.machine.broker(*words, stdin=stdin, **more)

    def admin_json(self, *words: str, stdin: str = "") -> Any:
        """Run an administrative command that must succeed and return its JSON value."""
        ran = self.admin(*words, "--json", stdin=stdin)
        assert ran.code == 0, ran
        return json.loads(ran.out)

    def call(self, operation: str, /, **params: Any) -> Any:
        """Have an administrative operation done over ``admin.sock``, without starting a command."""
        return SocketCaller(self.home / "admin.sock")(operation, **params)

    def hold(self, login: Login, name: str) -> dict[str, Any]:
        """Import a login that nothing else uses."""
        documents = [{"text": json.dumps(login.document), "path": f"{name}.json"}]
        found: list[dict[str, Any]] = self.call(
            "account_import", documents=documents, name=name, sole_owner=True
        )
        return found[0]

    def add_client(self, name: str, *accounts: str, **more: Any) -> str:
        """Make a client for accounts and return its API key; ``more``: default, scopes, expires_s."""
        wishes = {"scopes": ["token"], **more}
        return str(self.call("client_add", name=name, accounts=list(accounts), **wishes)["api_key"])

    def get(self, path: str, key: str = "", **how: Any) -> Answer:
        """Ask it over HTTP; ``how`` as for :func:`ask`."""
        return ask(self.url, path, key=key, **how)


@contextmanager
def running_daemon(root: Path, issuer_url: str, *words: str, **more: str) -> Iterator[Daemon]:
    """Run a daemon in a new home below a directory until the block ends.

    Args:
        root: gets the home and the daemon's output.
        issuer_url: its ``issuer.url``.
        *words: the command line; ``up`` by default.
        **more: its environment, which later starts and commands see too.
    """
    daemon = Daemon(Machine(root), issuer_url)
    daemon.machine.environ |= more
    daemon.start(*words)
    try:
        yield daemon
    finally:
        if daemon.process.poll() is None:
            daemon.kill()
