"""The daemon's end of ``admin.sock``: checks the peer, calls the service, answers in JSON."""

import secrets
from http import HTTPStatus
from typing import Any

import structlog
from aiohttp import web

from broker.admin.local import peer_of
from broker.admin.wire import PATH, Actor, Operations, to_problem
from broker.telemetry.bug import log_bug
from fetchtoken.domain.errors import ConfigError, FetchTokenError, Unsafe

__all__ = ["build_admin_app"]

_LARGEST_BODY = 32 << 20
"""An import may carry many auth files of up to a mebibyte."""

_log = structlog.get_logger("broker.admin")


def build_admin_app(service: Operations, *, owner: int) -> web.Application:
    """Return the application behind ``admin.sock``.

    Args:
        service: does the work.
        owner: the uid, beside root, that may ask.
    """

    async def handle(request: web.Request) -> web.Response:
        operation = request.match_info["operation"]
        try:
            actor = _actor(request, owner)
            result = await service.call(operation, await _params(request), actor)
        except FetchTokenError as error:
            return _problem(error)
        except Exception as error:  # noqa: BLE001 - answered as a bug; the text may hold anything
            log_bug(_log, "admin_failed", error, operation=operation)
            return _problem(FetchTokenError(f"the broker failed at {operation}", hint="see its log"))
        return web.json_response({"result": result})

    app = web.Application(client_max_size=_LARGEST_BODY)
    app.router.add_post(PATH + "{operation}", handle)
    return app


def _actor(request: web.Request, owner: int) -> Actor:
    connection = request.get_extra_info("socket")
    with connection.dup() as copy:  # the loop's own object is not a whole socket under uvloop
        peer = peer_of(copy)
    if peer.uid not in (owner, 0):
        raise Unsafe(f"user {peer.uid} may not administer this broker", hint="run as its owner or as root")
    return Actor(f"uid:{peer.uid} pid:{peer.pid}", secrets.token_hex(8))


async def _params(request: web.Request) -> dict[str, Any]:
    try:
        document = await request.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ConfigError("the body is not a JSON object")
    return document


def _problem(error: FetchTokenError) -> web.Response:
    status = HTTPStatus.INTERNAL_SERVER_ERROR if error.exit_code == 1 else HTTPStatus.CONFLICT
    return web.json_response(to_problem(error), status=status, content_type="application/problem+json")
