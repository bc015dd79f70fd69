"""The daemon at work: listeners, the followers of clock and store, and an orderly end."""

import asyncio
import errno
import os
import signal
import socket
from asyncio import FIRST_COMPLETED
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress

import structlog
from aiohttp import web

from broker.access.tokens import TokenDesk
from broker.admin.local import listen
from broker.admin.server import build_admin_app
from broker.api.app import build_app
from broker.api.hosts import known_hosts
from broker.api.server import serve as serve_api
from broker.app import FLIGHTS_END_WITHIN_S, Parts, opened
from broker.domain.chain import ALARMS
from broker.ops.health import Health
from broker.ops.home import Home
from broker.refresh.scheduler import Scheduler
from broker.settings import Settings
from broker.store.audit_writer import AuditWriter
from broker.telemetry.requestlog import RequestLog
from fetchtoken.domain.errors import ConfigError, FetchTokenError

__all__ = ["OnReady", "bind", "serve"]

_log = structlog.get_logger("broker")

_FOLLOW_EVERY_S = 0.5
"""How often the store is asked for changes by others: in force within one second, with room to spare."""

_REQUESTS_END_WITHIN_S = 15.0
"""Longer than anybody waits for an exchange."""

_COMMANDS_END_WITHIN_S = FLIGHTS_END_WITHIN_S / 2
"""aiohttp waits twice so long: for the answer, then for its handler. Commands wait as long as flights do."""

OnReady = Callable[[Parts, str], Awaitable[int | None]]
"""Called with the parts and the address once clients can connect; an exit code ends the daemon."""


@contextmanager
def bind(settings: Settings) -> Iterator[socket.socket]:
    """Bind the API's socket, before anything else is touched.

    Raises:
        ConfigError: the port is taken, or there is no such address.
    """
    host, port = settings.server.host, settings.server.port
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(
                f"port {port} on {host} is taken by another program",
                hint=f"choose another with --port, or find it by: ss -ltnp sport = :{port}",
            ) from None
        raise ConfigError(
            f"cannot listen on {host} port {port}: {error.strerror}", hint="choose others with --host, --port"
        ) from None
    with listener:
        yield listener


async def serve(home: Home, settings: Settings, listener: socket.socket, on_ready: OnReady) -> int:
    """Serve until SIGTERM or SIGINT; the caller holds the home's lock.

    The first signal ends listening and begins nothing new; what is under way is waited for. The
    second ends the waiting: exchange processes go on by themselves, and the next start finds
    their answers in the journal.

    Returns:
        The exit code: 0 after SIGTERM, 130 after SIGINT, or what ``on_ready`` returned.
    """
    signals = _Signals()
    async with opened(home, settings) as parts, AsyncExitStack() as stack:
        began = parts.store.trail.began
        if began is not None and began.reason in ALARMS:
            _log.error("audit_trail_broken", reason=began.reason, todo="codex-broker audit verify")
        lines = RequestLog()
        stack.callback(lines.close)
        audit = AuditWriter(settings.store_url(home), parts.store.trail, now=parts.clock)
        stack.push_async_callback(audit.close)
        health = Health(parts.roster, parts.coordinator, parts.journals, audit, parts.life)
        app = build_app(
            roster=parts.roster,
            desk=TokenDesk(parts.roster, parts.coordinator, audit, parts.clock),
            health=health,
            key_hash_key=parts.store.api_key_hash_key,
            lines=lines,
            hosts=known_hosts(settings.server.public_url, _port(listener)),
            behind_proxy=settings.server.behind_proxy,
            public_url=settings.server.public_url,
            clock=parts.clock,
        )
        scheduler = Scheduler(parts.shop, parts.coordinator, parts.recovery)
        scheduler.take(parts.roster.accounts())
        api = await serve_api(app, listener, stop_within_s=_REQUESTS_END_WITHIN_S)
        admin = await _serve_admin(home, parts)
        url = _url(settings.server.host, _port(listener))
        _log.info("ready", url=url, home=str(home.path), accounts=len(parts.roster.accounts()))
        code = await _work(parts, scheduler, health, signals, on_ready(parts, url))
        await _end(parts, signals, api, admin)
    _log.info("stopped")
    return code


class _Signals:
    """SIGTERM and SIGINT, counted."""

    def __init__(self) -> None:
        self.code = 0
        self.first = asyncio.Event()
        self.second = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number, code in ((signal.SIGTERM, 0), (signal.SIGINT, 130)):
            loop.add_signal_handler(number, self._came, code)

    def _came(self, code: int) -> None:
        if self.first.is_set():
            self.second.set()
        else:
            self.code = code
            self.first.set()


async def _serve_admin(home: Home, parts: Parts) -> web.AppRunner:
    app = build_admin_app(parts.service, owner=os.geteuid())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_COMMANDS_END_WITHIN_S)
    await runner.setup()
    await web.SockSite(runner, listen(home.socket)).start()
    return runner


async def _work(
    parts: Parts, scheduler: Scheduler, health: Health, signals: _Signals, ready: Awaitable[int | None]
) -> int:
    """Do the daemon's own work until a signal, or until a part of it fails."""
    stopped = asyncio.ensure_future(signals.first.wait())
    greeting = asyncio.ensure_future(ready)
    work = {
        stopped,
        asyncio.ensure_future(scheduler.run()),
        asyncio.ensure_future(_follow(parts, scheduler, health)),
    }
    try:
        waiting = {*work, greeting}
        while True:
            done, waiting = await asyncio.wait(waiting, return_when=FIRST_COMPLETED)
            if greeting in done and (code := greeting.result()) is not None:
                return code
            if stopped in done:
                return signals.code
            for task in done - {greeting}:
                task.result()
    finally:
        for task in {*work, greeting}:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task


async def _follow(parts: Parts, scheduler: Scheduler, health: Health) -> None:
    """Take in what anybody changed in the store, and look whether the daemon is well."""
    while True:
        try:
            await parts.life.look()
            changes = await parts.store.changes(parts.roster.revision)
            health.store_works()
        except FetchTokenError as error:
            health.store_fails(error.message)
        else:
            parts.roster.apply(changes)
            if changes.accounts:
                scheduler.take(changes.accounts)
        await health.look()
        await asyncio.sleep(_FOLLOW_EVERY_S)


async def _end(parts: Parts, signals: _Signals, api: web.AppRunner, admin: web.AppRunner) -> None:
    """Finish what is under way, at most until the second signal."""
    _log.info("stopping", flights=len(parts.coordinator.flying))
    ending = asyncio.create_task(_finish(parts, api, admin))
    hurry = asyncio.create_task(signals.second.wait())
    await asyncio.wait((ending, hurry), return_when=FIRST_COMPLETED)
    hurry.cancel()
    if not ending.done():
        _log.warning("stopping_at_once", flights=len(parts.coordinator.flying))
        ending.cancel()
        with suppress(asyncio.CancelledError):
            await ending
        await parts.coordinator.close(within_s=0)
    parts.home.socket.unlink(missing_ok=True)


async def _finish(parts: Parts, api: web.AppRunner, admin: web.AppRunner) -> bool:
    flights = parts.coordinator.close(within_s=FLIGHTS_END_WITHIN_S)
    landed, _, _ = await asyncio.gather(flights, api.cleanup(), admin.cleanup())
    return landed


def _port(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
