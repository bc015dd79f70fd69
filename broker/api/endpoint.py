"""What every request goes through, wrapped around its handler once instead of as middleware."""

import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiohttp.web import Request, Response
from structlog import get_logger

from broker.api.authenticate import Authenticator
from broker.api.call import Call, request_id_of
from broker.api.hosts import is_known_host
from broker.api.peers import Peers
from broker.api.ports import Lines
from broker.api.problems import ProblemError, problem_response
from broker.domain.records import Client
from broker.telemetry.requestlog import RequestLine

__all__ = ["LARGEST_BODY", "ClientHandler", "Door", "OpenHandler"]

OpenHandler = Callable[[Call], Awaitable[Response]]
"""Answers anyone."""

ClientHandler = Callable[[Call, Client], Awaitable[Response]]
"""Answers whoever has a live API key."""

LARGEST_BODY = 65_536
"""Bytes of a request's body that are read over; more closes the connection."""
_log = get_logger(__name__)


class Door(NamedTuple):
    """What stands between the network and every handler."""

    authenticator: Authenticator
    peers: Peers
    hosts: frozenset[str]
    """``Host`` headers to accept; empty for all."""
    lines: Lines
    clock: Callable[[], float]
    """Returns epoch seconds."""
    ticks: Callable[[], float] = time.monotonic
    """Returns seconds on a clock that does not go back."""

    def open(self, route: str, handler: OpenHandler) -> Callable[[Request], Awaitable[Response]]:
        """Wrap a handler that answers anyone."""

        async def endpoint(request: Request) -> Response:
            return await self._answered(route, request, handler)

        return endpoint

    def keyed(self, route: str, handler: ClientHandler) -> Callable[[Request], Awaitable[Response]]:
        """Wrap a handler that answers clients."""

        async def with_client(call: Call) -> Response:
            client = self.authenticator.client(
                call.request.headers.getall("Authorization", []),
                call.peer,
                now_s=call.now_s,
                ticks_s=call.ticks_s,
            )
            call.client = client.name
            return await handler(call, client)

        return self.open(route, with_client)

    async def _answered(self, route: str, request: Request, handler: OpenHandler) -> Response:
        headers = request.headers
        call = Call(
            request,
            request_id_of(headers.get("X-Request-Id")),
            self.peers.address(request.remote, headers.getall("X-Forwarded-For", ())),
            self.clock(),
            self.ticks(),
        )
        code = ""
        try:
            _check_body(request)
            self._check_host(headers.get("Host"))
            response = await handler(call)
        except ProblemError as problem:
            code = problem.code
            response = problem_response(problem, call.request_id)
        except Exception as error:  # noqa: BLE001 - the caller gets a problem, the log the error
            _log.exception("a request failed", route=route, request_id=call.request_id, error=error)
            bug = ProblemError("internal_error", "a bug; the broker's log has it under this request id")
            code = bug.code
            response = problem_response(bug, call.request_id)
        self.lines.add(
            RequestLine(
                self.clock(),
                request.method,
                route,
                call.account,
                call.client,
                call.peer,
                response.status,
                code,
                self.ticks() - call.ticks_s,
                call.request_id,
            )
        )
        return response

    def _check_host(self, host: str | None) -> None:
        if self.hosts and not is_known_host(host, self.hosts):
            raise ProblemError("misdirected_request", "this broker is not known by that name")


def _check_body(request: Request) -> None:
    """Refuse a body that is large or of unknown size: no route reads one."""
    if request.body_exists and (request.content_length is None or request.content_length > LARGEST_BODY):
        raise ProblemError("content_too_large", "no route here takes a body")
