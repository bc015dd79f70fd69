"""The aiohttp application, put together from explicit parts."""

import time
from collections.abc import Callable, Iterable
from functools import cache
from ipaddress import IPv4Network, IPv6Network

from aiohttp import hdrs
from aiohttp.web import Application, Request, Response

from broker.access.gate import Gate
from broker.access.ports import Lines
from broker.access.tokens import TokenDesk
from broker.api.authenticate import Authenticator
from broker.api.call import Call
from broker.api.directory import DirectoryHandlers
from broker.api.endpoint import LARGEST_BODY, Door
from broker.api.health import HealthHandlers
from broker.api.peers import Peers
from broker.api.ports import Health
from broker.api.problems import NO_STORE, X_REQUEST_ID, ProblemError
from broker.api.routes import Route, Table, table
from broker.api.token import TokenHandlers
from broker.domain.roster import Roster
from broker.telemetry.requestlog import NoRequestLog
from fetchtoken.domain.jsontext import dumps

__all__ = ["build_app"]

_METHODS = "GET, HEAD, OPTIONS"


def build_app(  # noqa: PLR0913 - every part of the daemon that the API touches, by name
    *,
    roster: Roster,
    desk: TokenDesk,
    health: Health,
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
        key_hash_key: the store's hashing key for API keys.
        lines: where one line for each request goes; nowhere by default.
        hosts: ``Host`` headers to accept (:func:`broker.api.hosts.known_hosts`); empty for all.
        behind_proxy: networks of trusted proxies, whose ``X-Forwarded-For`` counts.
        public_url: where clients reach the broker, for the OpenAPI document.
        gate: how much one address and one client may do, over all ways in.
        clock: returns epoch seconds.
        ticks: returns seconds on a clock that does not go back.
    """
    door = Door(
        authenticator=Authenticator(roster, key_hash_key, Gate() if gate is None else gate),
        peers=Peers(behind_proxy),
        hosts=hosts,
        lines=NoRequestLog() if lines is None else lines,
        clock=clock,
        ticks=ticks,
    )
    token = TokenHandlers(roster, desk)
    directory = DirectoryHandlers(roster)
    probes = HealthHandlers(health)

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
        )
    )
    app = Application(client_max_size=LARGEST_BODY)
    for route in routes:
        _serve(app, door, route)
    app.router.add_route("*", "/{path:.*}", door.open("", _not_found), expect_handler=_no_expectations)
    return app


def _serve(app: Application, door: Door, route: Route) -> None:
    """Add a route's methods, and the answer to all others."""
    if route.keyed is not None:
        endpoint = door.keyed(route.path, route.keyed)
    else:
        assert route.public is not None  # noqa: S101 - a route has one of the two
        endpoint = door.open(route.path, route.public)
    resource = app.router.add_resource(route.path)
    others = {"OPTIONS": _options, "*": _not_allowed}
    handlers = {"GET": endpoint, "HEAD": endpoint} | {
        method: door.open(route.path, handler) for method, handler in others.items()
    }
    for method, handler in handlers.items():
        resource.add_route(method, handler, expect_handler=_no_expectations)


async def _options(call: Call) -> Response:
    """Say which methods there are; no other origin is let in."""
    return Response(status=204, headers={**NO_STORE, hdrs.ALLOW: _METHODS, X_REQUEST_ID: call.request_id})


async def _not_allowed(_call: Call) -> Response:
    raise ProblemError("method_not_allowed", f"this path takes {_METHODS}", {hdrs.ALLOW: _METHODS})


async def _not_found(_call: Call) -> Response:
    raise ProblemError("not_found", "there is nothing at this path")


async def _no_expectations(_request: Request) -> None:
    """Answer at once: no body is wanted, so no ``100 Continue`` is due (RFC 9110 §10.1.1)."""
