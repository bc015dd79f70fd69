"""The control routes, under ``/sandbox/``: for tests, the demo and people who try things.

All want the control token as bearer; bodies and answers are JSON objects.
"""

from collections.abc import Awaitable, Callable
from hmac import compare_digest
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from broker.sandbox.answers import Shape
from broker.sandbox.devices import Devices
from broker.sandbox.faults import Queued, find_fault
from broker.sandbox.issuer import Minted, Wish
from broker.sandbox.logins import Login
from broker.sandbox.routes import TOKEN, IssuerRoutes
from fetchtoken.domain.errors import FetchTokenError, Malformed, NotFound
from fetchtoken.domain.secret import Secret

__all__ = ["ControlRoutes"]

_MAX_WAIT_S = 60.0
_STATUS = {2: 400, 4: 404, 7: 400}

Body = TypeVar("Body", bound=BaseModel)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FaultBody(BaseModel):
    """Body of ``POST /sandbox/faults``; as :class:`broker.sandbox.faults.Queued`."""

    model_config = ConfigDict(extra="forbid")

    name: str
    times: int = 1
    seconds: float = Field(default=1, ge=0)
    login_id: str = ""
    route: str = TOKEN


class SettingsBody(BaseModel):
    """Body of ``POST /sandbox/settings``; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    offset_s: float | None = None
    """Seconds by which the issuer's clock is ahead."""
    life_s: int | None = Field(default=None, gt=0)
    """Seconds that access tokens of later logins live."""
    error_shape: Shape | None = None
    device_interval_s: int | None = Field(default=None, ge=0)
    """Seconds between two polls of later device logins."""


class ControlRoutes:
    """What the control token opens.

    Args:
        routes: the issuer's routes, whose parts are controlled.
        token: the bearer that is asked for.
        mint: makes a login durable and returns it.
        save: makes the state durable.
        set_offset: moves the issuer's clock, seconds.
        devices: whose interval can be set.
    """

    def __init__(  # noqa: PLR0913 - what is controlled, each named at the call
        self,
        routes: IssuerRoutes,
        token: Secret,
        *,
        mint: Callable[[Wish], Minted],
        save: Callable[[], None],
        set_offset: Callable[[float], None],
        devices: Devices,
    ) -> None:
        self._devices = devices
        self._routes = routes
        self._token = token
        self._mint = mint
        self._save = save
        self._set_offset = set_offset

    def add_to(self, app: web.Application) -> None:
        """Register every route behind the token."""
        for method, path, handler in (
            ("POST", "/logins", self._add_login),
            ("GET", "/logins", self._logins),
            ("GET", "/logins/{login_id}", self._login),
            ("POST", "/logins/{login_id}/revoke", self._revoke),
            ("GET", "/faults", self._faults),
            ("POST", "/faults", self._add_fault),
            ("DELETE", "/faults", self._clear_faults),
            ("GET", "/log", self._log),
            ("POST", "/settings", self._settings),
            ("GET", "/held", self._held),
            ("POST", "/release", self._release),
        ):
            app.router.add_route(method, "/sandbox" + path, self._guarded(handler))

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            given = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
            if not compare_digest(given, self._token.reveal().encode()):
                return web.json_response({"detail": "the control token is missing or wrong"}, status=401)
            try:
                return await handler(request)
            except FetchTokenError as error:
                status = _STATUS[error.exit_code]
                return web.json_response({"detail": error.message, "hint": error.hint}, status=status)

        return guarded

    async def _add_login(self, request: web.Request) -> web.StreamResponse:
        minted = self._mint(await _body(request, Wish))
        return web.json_response({"login_id": minted.login_id, "auth_json": minted.document})

    async def _logins(self, request: web.Request) -> web.StreamResponse:
        del request
        return web.json_response({"logins": [login.summary() for login in self._routes.issuer.logins]})

    async def _login(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self._find(request).summary())

    async def _revoke(self, request: web.Request) -> web.StreamResponse:
        login = self._find(request)
        login.revoked = login.revoked or "revoked by the operator"
        self._save()
        return web.json_response(login.summary())

    async def _faults(self, request: web.Request) -> web.StreamResponse:
        del request
        queue = self._routes.faults.queue
        return web.json_response({"faults": [{"name": q.fault.name, "times": q.times} for q in queue]})

    async def _add_fault(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request, FaultBody)
        self._routes.faults.queue.append(
            Queued(
                fault=find_fault(body.name),
                times=body.times,
                seconds=body.seconds,
                login_id=body.login_id,
                route=body.route,
            )
        )
        return await self._faults(request)

    async def _clear_faults(self, request: web.Request) -> web.StreamResponse:
        self._routes.faults.queue.clear()
        return await self._faults(request)

    async def _log(self, request: web.Request) -> web.StreamResponse:
        """Answer when the log holds ``count`` entries, or after ``wait_s`` seconds."""
        log, count = self._routes.log, int(_number(request, "count"))
        await self._routes.gates.until(lambda: len(log) >= count, _wait_s(request))
        entries = log.after(int(_number(request, "after")))
        return web.json_response({"requests": [entry.to_document() for entry in entries]})

    async def _settings(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request, SettingsBody)
        if body.offset_s is not None:
            self._set_offset(body.offset_s)
        if body.life_s is not None:
            self._routes.issuer.life_s = body.life_s
        if body.error_shape is not None:
            self._routes.shape = body.error_shape
        if body.device_interval_s is not None:
            self._devices.interval_s = body.device_interval_s
        return web.json_response(body.model_dump(exclude_none=True))

    async def _held(self, request: web.Request) -> web.StreamResponse:
        """Answer when ``count`` requests are held, or after ``wait_s`` seconds."""
        gates, count = self._routes.gates, int(_number(request, "count"))
        await gates.until(lambda: gates.held >= count, _wait_s(request))
        return web.json_response({"held": gates.held})

    async def _release(self, request: web.Request) -> web.StreamResponse:
        del request
        return web.json_response({"released": await self._routes.gates.release()})

    def _find(self, request: web.Request) -> Login:
        login = self._routes.issuer.logins.get(request.match_info["login_id"])
        if login is None:
            raise NotFound("no login of that id")
        return login


async def _body(request: web.Request, model: type[Body]) -> Body:
    """Return the request's body; an empty one stands for an empty object.

    Raises:
        Malformed: it does not fit; the message names the field.
    """
    try:
        return model.model_validate_json(await request.read() or b"{}")
    except ValidationError as error:
        first: Any = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "body"
        raise Malformed(f"{place}: {first['msg']}") from None


def _number(request: web.Request, name: str) -> float:
    """Return a number of the query; 0 where there is none.

    Raises:
        Malformed: it is no number from 0 up.
    """
    try:
        value = float(request.query.get(name, "0"))
    except ValueError:
        value = -1
    if not 0 <= value < float("inf"):
        raise Malformed(f"{name} is no number from 0 up")
    return value


def _wait_s(request: web.Request) -> float:
    return min(_number(request, "wait_s"), _MAX_WAIT_S)
