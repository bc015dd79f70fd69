"""The daemon at work: listeners, the followers of clock and store, and an orderly end."""

import asyncio
import os
import signal
import socket
from asyncio import FIRST_COMPLETED
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from broker.access.gate import Gate
from broker.access.tokens import TokenDesk
from broker.admin.local import listen
from broker.admin.server import build_admin_app
from broker.api.app import build_app
from broker.api.hosts import known_hosts
from broker.api.server import serve as serve_api
from broker.app import FLIGHTS_END_WITHIN_S, Parts, keeper_of, opened
from broker.domain.chain import ALARMS
from broker.following import Follower
from broker.listening import url_of
from broker.ops.health import Health
from broker.ops.home import Home
from broker.ops.hostkey import load_host_key
from broker.ops.notify import Manager
from broker.refresh.scheduler import Scheduler
from broker.settings import Settings
from broker.store.audit_writer import AuditWriter
from broker.telemetry.requestlog import RequestLog
from fetchtoken.net.url import is_loopback

__all__ = ["OnReady", "serve"]

_log = structlog.get_logger("broker")

_REQUESTS_END_WITHIN_S = 15.0
"""Longer than anybody waits for an exchange."""

_COMMANDS_END_WITHIN_S = FLIGHTS_END_WITHIN_S / 2
"""aiohttp waits twice so long: for the answer, then for its handler. Commands wait as long as flights do."""

OnReady = Callable[[Parts, str], Awaitable[int | None]]
"""Called with the parts and the address once clients can connect; an exit code ends the daemon."""


Closing = Callable[[], Awaitable[None]]
"""Ends one way in, once what is under way there was answered."""


async def serve(  # noqa: PLR0913 - what a daemon is started with, named at the call
    home: Home,
    settings: Settings,
    listener: socket.socket,
    on_ready: OnReady,
    *,
    ssh: socket.socket | None = None,
    manager: Manager | None = None,
) -> int:
    """Serve until SIGTERM or SIGINT; the caller holds the home's lock.

    The first signal ends listening and begins nothing new; what is under way is waited for. The
    second ends the waiting: exchange processes go on by themselves, and the next start finds
    their answers in the journal.

    Args:
        home: the home.
        settings: how to serve.
        listener: the API's socket.
        on_ready: called once clients can connect.
        ssh: the SSH front door's socket, where it is open.
        manager: of a service, who is told of its state and may order by SIGHUP that files be looked at
            now. Without one SIGHUP ends the process: its terminal has gone.

    Returns:
        The exit code: 0 after SIGTERM, 130 after SIGINT, or what ``on_ready`` returned.

    Raises:
        ConfigError: the certificate's files cannot be used.
        Unsafe: others can read the certificate's key.
    """
    signals = _Signals()
    tls = keeper_of(settings)
    context = None if tls is None else tls.start()
    url = url_of(settings, listener)
    local_url = url if is_loopback(urlsplit(url).hostname or "") else ""
    async with opened(home, settings, tls, local_url=local_url) as parts, AsyncExitStack() as stack:
        began = parts.store.trail.began
        if began is not None and began.reason in ALARMS:
            _log.error("audit_trail_broken", reason=began.reason, todo="codex-broker audit verify")
        lines = RequestLog()
        stack.callback(lines.close)
        audit = AuditWriter(settings.store_url(home), parts.store.trail, now=parts.clock)
        stack.push_async_callback(audit.close)
        health = Health(parts.roster, parts.coordinator, parts.journals, audit, parts.life)
        desk = TokenDesk(parts.roster, parts.coordinator, audit, parts.clock)
        gate = Gate()
        app = build_app(
            roster=parts.roster,
            desk=desk,
            health=health,
            enrolment=parts.enrolment,
            machines=parts.machinery,
            devices=parts.devices,
            key_hash_key=parts.store.api_key_hash_key,
            lines=lines,
            hosts=known_hosts(settings.server.public_url, listener.getsockname()[1]),
            behind_proxy=settings.server.behind_proxy,
            public_url=settings.server.public_url,
            gate=gate,
            clock=parts.clock,
        )
        scheduler = Scheduler(parts.shop, parts.coordinator, parts.recovery)
        scheduler.take(parts.roster.accounts())
        api = await serve_api(app, listener, context=context, stop_within_s=_REQUESTS_END_WITHIN_S)
        admin = await _serve_admin(home, parts)
        ways: list[Closing] = [api.cleanup, admin.cleanup]
        if ssh is not None:
            ways.append(await _serve_ssh(parts, ssh, desk, gate, lines))
        _log.info("ready", url=url, home=str(home.path), accounts=len(parts.roster.accounts()))
        follower = Follower(parts, scheduler, health, manager or Manager(), url)
        if manager is not None:
            signals.on_hangup(follower.reload)
        follower.begin()
        code = await _work(scheduler, follower, signals, on_ready(parts, url))
        follower.end()
        await _end(parts, signals, ways)
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

    def on_hangup(self, act: Callable[[], None]) -> None:
        """Have SIGHUP do something else than end the process."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, act)


async def _serve_admin(home: Home, parts: Parts) -> web.AppRunner:
    app = build_admin_app(parts.service, owner=os.geteuid())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_COMMANDS_END_WITHIN_S)
    await runner.setup()
    await web.SockSite(runner, listen(home.socket)).start()
    return runner


async def _serve_ssh(
    parts: Parts, listener: socket.socket, desk: TokenDesk, gate: Gate, lines: RequestLog
) -> Closing:
    # asyncssh takes as long to import as all the rest of the daemon.
    from broker.sshd.door import FrontDoor
    from broker.sshd.server import open_door

    host_key = load_host_key(parts.home.ssh_host_key)
    door = FrontDoor(roster=parts.roster, desk=desk, gate=gate, lines=lines, clock=parts.clock)
    opened_door = await open_door(door, listener, host_key)
    host, port = listener.getsockname()[:2]
    _log.info("ssh_ready", listen=f"{host}:{port}", host_key=host_key.fingerprint)
    return partial(opened_door.close, within_s=_REQUESTS_END_WITHIN_S)


async def _work(
    scheduler: Scheduler, follower: Follower, signals: _Signals, ready: Awaitable[int | None]
) -> int:
    """Do the daemon's own work until a signal, or until a part of it fails."""
    stopped = asyncio.ensure_future(signals.first.wait())
    greeting = asyncio.ensure_future(ready)
    work = {stopped, asyncio.ensure_future(scheduler.run()), asyncio.ensure_future(follower.run())}
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


async def _end(parts: Parts, signals: _Signals, ways: Sequence[Closing]) -> None:
    """Finish what is under way, at most until the second signal."""
    _log.info("stopping", flights=len(parts.coordinator.flying))
    ending = asyncio.create_task(_finish(parts, ways))
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


async def _finish(parts: Parts, ways: Sequence[Closing]) -> bool:
    flights = parts.coordinator.close(within_s=FLIGHTS_END_WITHIN_S)
    ends = asyncio.gather(*(close() for close in ways))
    landed, _ = await asyncio.gather(flights, ends)
    return landed
