"""The aiohttp application, put together from explicit parts."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cache
from ipaddress import IPv4Network, IPv6Network

from aiohttp import hdrs
from aiohttp.web import Application, Request, Response, StreamResponse

from broker.access.gate import Gate
from broker.access.ports import Lines
from broker.access.tokens import TokenDesk
from broker.api.authenticate import Authenticator
from broker.api.call import Call
from broker.api.device import DeviceHandlers
from broker.api.devicepage import DevicePage
from broker.api.directory import DirectoryHandlers
from broker.api.endpoint import LARGEST_BODY, Door
from broker.api.exchange import TOKEN_EXCHANGE, ExchangeHandler
from broker.api.health import HealthHandlers
from broker.api.join import JoinHandlers
from broker.api.machine import MachineHandlers
from broker.api.metadata import MetadataHandler
from broker.api.peers import Peers
from broker.api.ports import Devices, Enrolment, Health, Machines
from broker.api.problems import NO_STORE, X_REQUEST_ID, ProblemError
from broker.api.redeem import AUTHORIZATION_CODE, CodeHandler
from broker.api.routes import Route, Table, table
from broker.api.token import TokenHandlers
from broker.domain.roster import Roster
from broker.telemetry.requestlog import NoRequestLog
from fetchtoken.domain.jsontext import dumps

__all__ = ["build_app"]


def build_app(  # noqa: PLR0913 - every part of the daemon that the API touches, by name
    *,
    roster: Roster,
    desk: TokenDesk,
    health: Health,
    enrolment: Enrolment,
    machines: Machines,
    devices: Devices,
    key_hash_key: bytes,
    lines: Lines | None = None,
    hosts: frozenset[str] = frozenset(),
    behind_proxy: Iterable[IPv4Network | IPv6Network] = (),
    public_url: str = "",
    gate: Gate | None = None,
    clock: Callable[[], float] = time.time,
    ticks: Callable[[], float] = time.monotonic,
) -> Application:
    """Return the application that serves the HTTP API.

    Args:
        roster: accounts and clients in memory; kept current by others.
        desk: decides who gets which token.
        health: knows what ``/readyz`` says.
        enrolment: redeems invite codes.
        machines: looks after machine credentials.
        devices: keeps device logins.
        key_hash_key: the store's hashing key for API keys.
        lines: where one line for each request goes; nowhere by default.
        hosts: ``Host`` headers to accept (:func:`broker.api.hosts.known_hosts`); empty for all.
        behind_proxy: networks of trusted proxies, whose ``X-Forwarded-For`` counts.
        public_url: where clients reach the broker; without it there is no device login.
        gate: how much one address and one client may do, over all ways in.
        clock: returns epoch seconds.
        ticks: returns seconds on a clock that does not go back.
    """
    gate = Gate() if gate is None else gate
    authenticator = Authenticator(roster, key_hash_key, gate)
    door = Door(
        authenticator=authenticator,
        peers=Peers(behind_proxy),
        hosts=hosts,
        lines=NoRequestLog() if lines is None else lines,
        clock=clock,
        ticks=ticks,
    )
    token = TokenHandlers(roster, desk)
    directory = DirectoryHandlers(roster)
    probes = HealthHandlers(health)
    exchange = ExchangeHandler(
        roster=roster, authenticator=authenticator, desk=desk, gate=gate, machines=machines, clock=clock
    )
    codes = CodeHandler(
        roster=roster, desk=desk, gate=gate, devices=devices, machines=machines, public_url=public_url
    )
    machine = MachineHandlers(
        roster=roster,
        desk=desk,
        gate=gate,
        machines=machines,
        key_hash_key=key_hash_key,
        clock=clock,
        grants={TOKEN_EXCHANGE: exchange.token, AUTHORIZATION_CODE: codes.token},
    )
    device = DeviceHandlers(devices, gate, public_url)
    page = DevicePage(devices, gate, public_url)

    @cache
    def described() -> bytes:
        # Making the document takes as long as all the rest of the application, and few ever ask.
        from broker.api.openapi import document

        return dumps(document(routes, public_url=public_url)).encode()

    async def openapi(call: Call) -> Response:
        headers = {**NO_STORE, hdrs.CONTENT_TYPE: "application/json", X_REQUEST_ID: call.request_id}
        return Response(body=described(), headers=headers)

    routes = table(
        Table(
            only=token.only,
            named=token.named,
            whoami=directory.whoami,
            accounts=directory.accounts,
            healthz=probes.healthz,
            readyz=probes.readyz,
            openapi=openapi,
            join=JoinHandlers(enrolment, gate).join,
            oauth_token=machine.token,
            oauth_revoke=machine.revoke,
            metadata=MetadataHandler(public_url).metadata,
            user_code=device.user_code,
            device_poll=device.poll,
            device_page=page.show,
            device_form=page.submit,
        )
    )
    app = Application(client_max_size=LARGEST_BODY)
    by_path: defaultdict[str, list[Route]] = defaultdict(list)
    for route in routes:
        by_path[route.path].append(route)
    for path, held in by_path.items():
        _serve(app, door, path, held)
    app.router.add_route("*", "/{path:.*}", door.open("", _not_found), expect_handler=_no_expectations)
    return app


def _serve(app: Application, door: Door, path: str, routes: Iterable[Route]) -> None:
    """Add a path's methods, and the answer to all others."""
    resource = app.router.add_resource(path)
    known: list[str] = []
    for route in routes:
        if route.keyed is not None:
            endpoint = door.keyed(path, route.keyed)
        else:
            assert route.public is not None  # noqa: S101 - a route has one of the two
            endpoint = door.open(path, route.public, reads_body=route.body is not None, oauth=route.is_oauth)
        expect = _no_expectations if route.body is None else _go_on
        for method in route.methods:
            resource.add_route(method, endpoint, expect_handler=expect)
        known += route.methods
    allowed = ", ".join([*known, "OPTIONS"])

    async def options(call: Call) -> Response:
        """Say which methods there are; no other origin is let in."""
        headers = {**NO_STORE, hdrs.ALLOW: allowed, X_REQUEST_ID: call.request_id}
        return Response(status=204, headers=headers)

    async def not_allowed(_call: Call) -> Response:
        raise ProblemError("method_not_allowed", f"this path takes {allowed}", {hdrs.ALLOW: allowed})

    resource.add_route("OPTIONS", door.open(path, options), expect_handler=_no_expectations)
    resource.add_route("*", door.open(path, not_allowed), expect_handler=_no_expectations)


async def _not_found(_call: Call) -> Response:
    raise ProblemError("not_found", "there is nothing at this path")


async def _no_expectations(_request: Request) -> StreamResponse | None:
    """Answer at once: no body is wanted, so no ``100 Continue`` is due (RFC 9110 §10.1.1)."""
    return None


async def _go_on(request: Request) -> StreamResponse | None:
    """Ask for the body that is waited with; any other expectation is passed over."""
    if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # What was written is no part of the answer (as aiohttp's own handler does).
        request.writer.output_size = 0
    return None
