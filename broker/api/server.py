"""Listening: how connections that are slow, huge or malformed are held off.

aiohttp closes a connection that has not completed a request within the keep-alive time, counted
from its start or from its last answer. That time is therefore also the limit on slow headers.
"""

import asyncio
import ssl
from collections.abc import Coroutine
from socket import socket
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from structlog import get_logger

from broker.api.call import request_id_of
from broker.api.problems import ProblemError, problem_response

__all__ = ["serve"]

_SLOWEST_REQUEST_S = 20.0
_LONGEST_LINE = 4096
_LONGEST_HEADER = 8190
_MOST_HEADERS = 100
_LINGER_S = 1.0
_HANDSHAKE_S = 10.0
_GOODBYE_S = 2.0
_BACKLOG = 1024

_log = get_logger(__name__)


class Connection(web.RequestHandler):
    """One connection; what goes wrong before a route is found is answered as a problem too."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - quotes what was sent, headers included
    ) -> web.StreamResponse:
        """Answer a request that could not be parsed, or that broke outside of its handler."""
        request_id = request_id_of(None)
        if isinstance(exc, HttpProcessingError):
            _log.debug("a request could not be parsed", problem=type(exc).__name__, request_id=request_id)
            problem = ProblemError("invalid_request", "this is no HTTP request, or its headers are too large")
        else:
            _log.error("a connection failed", exc_info=exc, status=status, request_id=request_id)
            problem = ProblemError("internal_error", "a bug; the broker's log has it under this request id")
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        response = problem_response(problem, request_id)
        response.force_close()
        return response

    def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> Coroutine[Any, Any, tuple[web.StreamResponse, bool]]:
        """Send an answer; one of aiohttp's own, for targets that are no path, becomes a problem."""
        if isinstance(resp, web.HTTPException):
            resp = problem_response(
                ProblemError("not_found", "there is nothing at this path"), request_id_of(None)
            )
        return super().finish_response(request, resp, start_time)


class _Site(web.SockSite):
    """A listening socket whose connections are ours."""

    def __init__(self, runner: web.AppRunner, sock: socket, context: ssl.SSLContext | None) -> None:
        super().__init__(runner, sock, ssl_context=context, backlog=_BACKLOG)

    async def start(self) -> None:
        await web.BaseSite.start(self)
        loop = asyncio.get_running_loop()
        manager = self._runner.server
        assert manager is not None  # noqa: S101 - the runner was set up

        def connection() -> Connection:
            return Connection(
                manager,
                loop=loop,
                access_log=None,  # type: ignore[arg-type] # aiohttp's way to say none
                keepalive_timeout=_SLOWEST_REQUEST_S,
                lingering_time=_LINGER_S,
                max_line_size=_LONGEST_LINE,
                max_field_size=_LONGEST_HEADER,
                max_headers=_MOST_HEADERS,
                auto_decompress=False,
            )

        self._server = await loop.create_server(
            connection,
            sock=self._sock,
            ssl=self._ssl_context,
            backlog=_BACKLOG,
            ssl_handshake_timeout=_HANDSHAKE_S if self._ssl_context else None,
            ssl_shutdown_timeout=_GOODBYE_S if self._ssl_context else None,
        )


async def serve(
    app: web.Application, sock: socket, *, context: ssl.SSLContext | None = None, stop_within_s: float = 15.0
) -> web.AppRunner:
    """Start serving; ``await runner.cleanup()`` stops, after the requests in flight were answered.

    Args:
        app: the application.
        sock: a bound TCP socket.
        context: for TLS.
        stop_within_s: how long requests in flight are waited for at the end.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=stop_within_s)
    await runner.setup()
    await _Site(runner, sock, context).start()
    return runner
