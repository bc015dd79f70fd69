"""The sandbox issuer as a server on loopback."""

import asyncio
import os
import secrets
import time
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from aiohttp import web

from broker.sandbox.authorizations import Authorizations
from broker.sandbox.control import ControlRoutes
from broker.sandbox.devices import Devices
from broker.sandbox.faults import Queued, find_fault
from broker.sandbox.issuer import LIFE_S, Minted, StrictIssuer, Wish
from broker.sandbox.log import LogEntry
from broker.sandbox.login_routes import LoginRoutes
from broker.sandbox.logins import Login
from broker.sandbox.routes import TOKEN, IssuerRoutes
from broker.sandbox.state import StateFile
from broker.sandbox.tokens import TokenMaker
from fetchtoken.domain.errors import ConfigError, NotFound, Unsafe
from fetchtoken.domain.secret import Secret

__all__ = ["PORT", "SandboxIssuer", "banner", "serve_sandbox"]

PORT = 7457
"""Where the sandbox listens unless told otherwise."""


def banner(url: str) -> str:
    """Say in plain words what this server is.

    Args:
        url: where it listens.
    """
    return (
        f"sandbox {url}\n"
        "This is a sandbox issuer for trying and testing; it is not OpenAI; its tokens work nowhere else.\n"
    )


class SandboxIssuer:
    """The strict issuer with a socket; made, started, used and stopped in one event loop.

    Args:
        life_s: seconds that access tokens of new logins live.
        state_path: file that keeps the logins over a restart; ``None`` keeps them in memory.
        clock: epoch seconds.

    Raises:
        Malformed: the state file is not one.
        Unsafe: others can read the state file.
    """

    def __init__(
        self,
        *,
        life_s: int = LIFE_S,
        state_path: str | os.PathLike[str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._offset_s = 0.0
        self._state = StateFile(state_path)
        self._maker = TokenMaker(secrets.token_bytes)
        self._issuer = StrictIssuer(self._state.load(), self._maker, life_s=life_s)
        authorizations = Authorizations(self._issuer, self._maker)
        self._devices = Devices(self._issuer, authorizations, self._maker, lambda: self.url)
        self._routes = IssuerRoutes(self._issuer, authorizations, self._save, self.now_s)
        self._logins = LoginRoutes(self._routes, authorizations, self._devices, self.now_s)
        self._runner: web.AppRunner | None = None
        self.url = ""
        """``http://127.0.0.1:PORT`` once it listens: the ``issuer.url`` for a broker."""
        self.control_token = Secret(secrets.token_urlsafe(32))
        """Bearer of the control routes."""

    @property
    def backend_url(self) -> str:
        """The ``issuer.backend_url`` for a broker."""
        return self.url + "/backend-api"

    def now_s(self) -> float:
        """Return the issuer's own time, epoch seconds."""
        return self._clock() + self._offset_s

    async def start(self, host: str = "127.0.0.1", port: int = PORT) -> None:
        """Listen.

        Args:
            host: a loopback address, or ``localhost`` for 127.0.0.1.
            port: TCP port; 0 takes a free one.

        Raises:
            Unsafe: another address, where strangers could get tokens.
            ConfigError: the port is taken.
        """
        address = _loopback(host)
        runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, address, port).start()
        except OSError as error:
            await runner.cleanup()
            reason = os.strerror(error.errno) if error.errno else "unknown"
            raise ConfigError(
                f"sandbox: port {port} on {address} cannot be used: {reason}", hint="--port N"
            ) from None
        self._runner = runner
        shown = f"[{address}]" if ":" in address else address
        self.url = self._maker.issuer_url = f"http://{shown}:{runner.addresses[0][1]}"

    async def stop(self) -> None:
        """End every request and close the socket; a second call does nothing."""
        await self._routes.gates.stop()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def mint(self, **wishes: Any) -> Minted:
        """Make a login; ``document`` of the answer is the ``auth.json`` for it.

        Args:
            **wishes: fields of :class:`broker.sandbox.issuer.Wish`.
        """
        return self._mint(Wish(**wishes))

    def fault(
        self, name: str, *, times: int = 1, seconds: float = 1, login_id: str = "", route: str = TOKEN
    ) -> None:
        """Let the next requests fail; as in :class:`broker.sandbox.faults.Queued`.

        Raises:
            ConfigError: there is no fault of that name.
        """
        queued = Queued(fault=find_fault(name), times=times, seconds=seconds, login_id=login_id, route=route)
        self._routes.faults.queue.append(queued)

    def log(self, after: int = 0) -> list[LogEntry]:
        """Return the requests that followed number ``after``."""
        return self._routes.log.after(after)

    def login(self, login_id: str) -> Login:
        """Return the state of one family.

        Raises:
            NotFound: no such login.
        """
        login = self._issuer.logins.get(login_id)
        if login is None:
            raise NotFound("the sandbox has no login of that id")
        return login

    def set_offset(self, offset_s: float) -> None:
        """Put the issuer's clock that many seconds ahead."""
        self._offset_s = offset_s

    async def until_held(self, count: int, wait_s: float) -> int:
        """Wait until ``count`` requests are held, at most ``wait_s`` seconds; return how many are."""
        gates = self._routes.gates
        await gates.until(lambda: gates.held >= count, wait_s)
        return gates.held

    async def release(self) -> int:
        """Let held requests go on; return how many there were."""
        return await self._routes.gates.release()

    def _app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/", self._say)
        control = ControlRoutes(
            self._routes,
            self.control_token,
            mint=self._mint,
            save=self._save,
            set_offset=self.set_offset,
            devices=self._devices,
        )
        control.add_to(app)
        self._logins.add_to(app)
        self._routes.add_to(app)
        return app

    async def _say(self, request: web.Request) -> web.Response:
        del request
        return web.Response(text=banner(self.url))

    def _mint(self, wish: Wish) -> Minted:
        minted = self._issuer.mint(wish, self.now_s())
        self._save()
        return minted

    def _save(self) -> None:
        self._state.save(self._issuer.logins)


def _loopback(host: str) -> str:
    """Return the address to bind to.

    Raises:
        Unsafe: it is not on loopback.
    """
    try:
        address = ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        address = None
    if address is None or not address.is_loopback:
        raise Unsafe(f"the sandbox issuer does not listen on {host!r}", hint="use 127.0.0.1 or ::1")
    return str(address)


async def serve_sandbox(
    host: str,
    port: int,
    *,
    state_path: str | os.PathLike[str] | None,
    life_s: int,
    announce: Callable[[SandboxIssuer], None],
) -> None:
    """Run a sandbox issuer until cancelled.

    Args:
        host: a loopback address.
        port: TCP port; 0 takes a free one.
        state_path: file that keeps the logins over a restart, or ``None``.
        life_s: seconds that access tokens of new logins live.
        announce: called once it listens; may mint.

    Raises:
        FetchTokenError: as :class:`SandboxIssuer` and its ``start``.
    """
    issuer = SandboxIssuer(life_s=life_s, state_path=state_path)
    await issuer.start(host, port)
    try:
        announce(issuer)
        await asyncio.Event().wait()
    finally:
        await issuer.stop()
