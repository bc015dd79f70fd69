"""What every request goes through, wrapped around its handler once instead of as middleware."""

import time
from collections.abc import Awaitable, Callable

from aiohttp import hdrs
from aiohttp.web import Request, Response
from structlog import get_logger

from broker.access.ports import Lines
from broker.access.refused import Refused
from broker.api.authenticate import Authenticator
from broker.api.call import Call, request_id_of
from broker.api.hosts import is_known_host
from broker.api.peers import Peers
from broker.api.problems import X_REQUEST_ID, ProblemError, problem_response
from broker.domain.records import Client
from broker.telemetry.bug import log_bug
from broker.telemetry.requestlog import RequestLine

__all__ = ["LARGEST_BODY", "ClientHandler", "Door", "OpenHandler"]

OpenHandler = Callable[[Call], Awaitable[Response]]
"""Answers anyone."""

ClientHandler = Callable[[Call, Client], Awaitable[Response]]
"""Answers whoever has a live API key."""

LARGEST_BODY = 65_536
"""Bytes of a request's body that are read over; more closes the connection."""
_log = get_logger(__name__)


class Door:
    """What stands between the network and every handler.

    Args:
        authenticator: finds the client of a key.
        peers: decides the caller's address.
        hosts: ``Host`` headers to accept; empty for all.
        lines: where one line for each request goes.
        clock: returns epoch seconds.
        ticks: returns seconds on a clock that does not go back.
    """

    def __init__(  # noqa: PLR0913 - parts, each named at the call
        self,
        *,
        authenticator: Authenticator,
        peers: Peers,
        hosts: frozenset[str],
        lines: Lines,
        clock: Callable[[], float],
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._authenticator = authenticator
        self._peers = peers
        self._hosts = hosts
        self._lines = lines
        self._clock = clock
        self._ticks = ticks

    def open(
        self, route: str, handler: OpenHandler, *, reads_body: bool = False, oauth: bool = False
    ) -> Callable[[Request], Awaitable[Response]]:
        """Wrap a handler that answers anyone; one that reads a body bounds it itself.

        Args:
            route: its path, for the request line.
            handler: the handler.
            reads_body: whether it does.
            oauth: whether its problems are said in OAuth's words, too.
        """

        async def endpoint(request: Request) -> Response:
            return await self._answered(
                route, request, handler, keyed=False, reads_body=reads_body, oauth=oauth
            )

        return endpoint

    def keyed(self, route: str, handler: ClientHandler) -> Callable[[Request], Awaitable[Response]]:
        """Wrap a handler that answers clients."""

        async def endpoint(request: Request) -> Response:
            return await self._answered(route, request, handler, keyed=True)

        return endpoint

    async def _answered(  # noqa: PLR0913 - what a route is, each named at the call
        self,
        route: str,
        request: Request,
        handler: Callable[..., Awaitable[Response]],
        *,
        keyed: bool,
        reads_body: bool = False,
        oauth: bool = False,
    ) -> Response:
        headers = request.headers
        call = Call(
            request,
            request_id_of(headers.get(X_REQUEST_ID)),
            self._peers.address(request.remote, headers),
            self._clock(),
            self._ticks(),
        )
        code = ""
        try:
            self._check(request, reads_body=reads_body)
            response = await (handler(call, self._client(call)) if keyed else handler(call))
        except Refused as problem:
            code = problem.code
            response = problem_response(problem, call.request_id, oauth=oauth)
        except Exception as error:  # noqa: BLE001 - answered as a bug; the text may hold anything
            log_bug(_log, "request_failed", error, route=route, request_id=call.request_id)
            bug = ProblemError("internal_error", "a bug; the broker's log has it under this request id")
            code = bug.code
            response = problem_response(bug, call.request_id, oauth=oauth)
        self._lines.add(
            RequestLine(
                call.now_s,
                request.method,
                route,
                call.account,
                call.client,
                call.peer,
                response.status,
                code,
                self._ticks() - call.ticks_s,
                call.request_id,
            )
        )
        return response

    def _client(self, call: Call) -> Client:
        client = self._authenticator.client(
            call.request.headers.getall(hdrs.AUTHORIZATION, ()),
            call.peer,
            now_s=call.now_s,
            ticks_s=call.ticks_s,
        )
        call.client = client.name
        return client

    def _check(self, request: Request, *, reads_body: bool) -> None:
        """Refuse unknown hosts, and a body that is large; one of unknown size, too, where nobody reads it."""
        length = request.content_length
        if request.body_exists and (length is None or length > LARGEST_BODY):
            if not reads_body:
                raise ProblemError("content_too_large", "this route takes no body")
            if length is not None:
                raise ProblemError("content_too_large", "the body is too large")
        if self._hosts and not is_known_host(request.headers.get(hdrs.HOST), self._hosts):
            raise ProblemError("misdirected_request", "this broker is not known by that name")
