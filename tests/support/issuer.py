"""The sandbox issuer for tests: in a thread or as a process of its own, driven without sleeps.

``issuer`` (a fixture) is a fresh one in a thread; ``issuer_process`` one that survives and can
be killed on its own. Both are driven by :class:`Issuer`, which is synchronous. To act in the
middle of an exchange: ``issuer.fault("hold")``, start the program, ``issuer.until_held()``,
act, ``issuer.release()``.
"""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from broker.sandbox.server import SandboxIssuer
from fetchtoken.oauth.messages import OAUTH_CLIENT_ID

__all__ = ["Issuer", "Login", "issuer", "issuer_in_thread", "issuer_process", "start_issuer_process"]

WAIT_S = 30
"""Longest wait for something that a test made happen."""

TOKEN_ROUTE = "POST /oauth/token"


@dataclass(frozen=True)
class Login:
    """A login as the issuer minted it."""

    login_id: str
    document: dict[str, Any]

    @property
    def access_token(self) -> str:
        return self.document["tokens"]["access_token"]

    @property
    def refresh_token(self) -> str:
        return self.document["tokens"]["refresh_token"]

    @property
    def id_token(self) -> str:
        return self.document["tokens"]["id_token"]

    @property
    def account_id(self) -> str:
        return self.document["tokens"]["account_id"]

    def write(self, path: Path) -> Path:
        """Write it as Codex would: pretty, 0600."""
        path.touch(mode=0o600)
        path.write_text(json.dumps(self.document, indent=2))
        return path


class Issuer:
    """A synchronous hold of a running sandbox issuer."""

    def __init__(self, url: str, control_token: str) -> None:
        self.url = url
        self.control_token = control_token

    @property
    def token_url(self) -> str:
        return self.url + "/oauth/token"

    @property
    def revoke_url(self) -> str:
        return self.url + "/oauth/revoke"

    @property
    def backend_url(self) -> str:
        return self.url + "/backend-api"

    def mint(self, **wishes: Any) -> Login:
        """Make a login: email, plan_type, account_id, user_id, client_id, life_s, age_s."""
        answer = self._control("POST", "/logins", wishes)
        return Login(answer["login_id"], answer["auth_json"])

    def fault(self, name: str, **how: Any) -> None:
        """Spoil coming requests: times, seconds, login_id, route."""
        self._control("POST", "/faults", {"name": name, **how})

    def clear_faults(self) -> None:
        self._control("DELETE", "/faults")

    def log(self, *, after: int = 0) -> list[dict[str, Any]]:
        """Return the issuer's record of every request."""
        return self._control("GET", f"/log?after={after}")["requests"]

    def exchanges(self) -> list[dict[str, Any]]:
        """Return the record of the requests to the token endpoint."""
        return [entry for entry in self.log() if entry["route"] == TOKEN_ROUTE]

    def login(self, login_id: str) -> dict[str, Any]:
        """Return a family: generation, exchanges, revoked and who it is."""
        return self._control("GET", f"/logins/{login_id}")

    def revoke_login(self, login_id: str) -> None:
        """End a family as an administrator at the issuer would."""
        self._control("POST", f"/logins/{login_id}/revoke")

    def settings(self, **values: Any) -> None:
        """Set offset_s (the issuer's clock), life_s, error_shape (nested, string, top), device_interval_s."""
        self._control("POST", "/settings", values)

    def until_held(self, count: int = 1, *, wait_s: float = WAIT_S) -> None:
        """Wait until so many requests are held by ``hold`` or ``hold-before``."""
        held = self._control("GET", f"/held?count={count}&wait_s={wait_s}")["held"]
        assert held >= count, f"{held} of {count} requests reached the issuer within {wait_s} s"

    def until_logged(self, count: int, *, wait_s: float = WAIT_S) -> list[dict[str, Any]]:
        """Wait until so many requests are in the log, and return them."""
        requests = self._control("GET", f"/log?count={count}&wait_s={wait_s}")["requests"]
        assert len(requests) >= count, f"{len(requests)} of {count} requests came within {wait_s} s"
        return requests

    def release(self) -> int:
        """Let held requests go on; return how many there were."""
        return self._control("POST", "/release")["released"]

    def alive(self, access_token: str) -> bool:
        """Ask the usage endpoint whether an access token is good."""
        return self.ask("GET", "/backend-api/wham/usage", bearer=access_token)[0] == 200

    def exchange(self, refresh_token: str, **fields: Any) -> tuple[int, Any]:
        """Exchange as a rival holder would; return status and parsed body."""
        body = {"client_id": OAUTH_CLIENT_ID, "grant_type": "refresh_token", "refresh_token": refresh_token}
        status, raw = self.ask("POST", "/oauth/token", body={**body, **fields})
        return status, json.loads(raw)

    def ask(
        self, method: str, path: str, *, bearer: str = "", body: dict[str, Any] | None = None
    ) -> tuple[int, bytes]:
        """Send one request; return status and body."""
        parts = urlsplit(self.url)
        connection = HTTPConnection(parts.hostname, parts.port, timeout=WAIT_S * 2)
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _control(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        status, raw = self.ask(method, "/sandbox" + path, bearer=self.control_token, body=body)
        assert status == 200, raw.decode()
        return json.loads(raw)


@contextmanager
def issuer_in_thread(**options: Any) -> Iterator[Issuer]:
    """Run one in a thread; options as of :class:`broker.sandbox.server.SandboxIssuer`, and ``port``."""
    port = options.pop("port", 0)
    started = threading.Event()
    found: list[Any] = []

    async def serve() -> None:
        try:
            sandbox = SandboxIssuer(**options)
            await sandbox.start("127.0.0.1", port)
        except BaseException as error:  # noqa: BLE001 - handed to the test below
            found.append(error)
            started.set()
            return
        stop = asyncio.Event()
        found.extend([sandbox, asyncio.get_running_loop(), stop])
        started.set()
        await stop.wait()
        await sandbox.stop()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), name="sandbox issuer", daemon=True)
    thread.start()
    started.wait()
    if isinstance(found[0], BaseException):
        thread.join()
        raise found[0]
    sandbox, loop, stop = found
    try:
        yield Issuer(sandbox.url, sandbox.control_token.reveal())
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


@contextmanager
def start_issuer_process(
    directory: Path, *, port: int = 0, state: Path | None = None, life_s: int | None = None
) -> Iterator[tuple[Issuer, subprocess.Popen[str]]]:
    """Run one as a process, which the test may kill; ``directory`` gets its info file."""
    info = directory / "sandbox-info.json"
    argv = [sys.executable, "-m", "broker.sandbox", "--port", str(port), "--info", str(info)]
    argv += [] if state is None else ["--state", str(state)]
    argv += [] if life_s is None else ["--life-s", str(life_s)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert first.startswith("sandbox http://127.0.0.1:"), f"the issuer said {first!r}"
            found = json.loads(info.read_text())
            yield Issuer(found["url"], found["control_token"]), process
        finally:
            process.terminate()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """A fresh strict issuer, in a thread."""
    with issuer_in_thread() as running:
        yield running


@pytest.fixture
def issuer_process(tmp_path: Path) -> Iterator[Issuer]:
    """A fresh strict issuer, in a process of its own."""
    with start_issuer_process(tmp_path) as (running, _):
        yield running
