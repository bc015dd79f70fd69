"""The routes that the real issuer has too and programs use: token, revoke, usage."""

import socket
import struct
from collections.abc import Callable, Mapping

from aiohttp import web

from broker.sandbox.answers import Reply, Shape
from broker.sandbox.authorizations import Authorizations
from broker.sandbox.faults import Fault, FaultQueue, Queued, Wire, spoil
from broker.sandbox.gates import Gates
from broker.sandbox.issuer import Decision, StrictIssuer
from broker.sandbox.log import RequestLog
from fetchtoken.domain.jsontext import loads
from fetchtoken.domain.secret import Secret

__all__ = ["TOKEN", "USAGE", "IssuerRoutes", "body_fields", "response"]

TOKEN = "/oauth/token"  # noqa: S105 - a path
REVOKE = "/oauth/revoke"
USAGE = "/backend-api/wham/usage"

FORM = "application/x-www-form-urlencoded"

_HONEST = Queued(fault=Fault(name="", meaning="", processed=True))
_RST = struct.pack("ii", 1, 0)
"""``SO_LINGER`` on with zero seconds: closing sends a reset."""

Judge = Callable[[Fault], Decision]


class IssuerRoutes:
    """The issuer's own routes, with faults, gates and the log around its decisions.

    Args:
        issuer: decides about refresh tokens.
        authorizations: decides about authorization codes.
        save: makes the state durable; called before a committed answer leaves.
        now_s: the issuer's clock, epoch seconds.
    """

    def __init__(
        self,
        issuer: StrictIssuer,
        authorizations: Authorizations,
        save: Callable[[], None],
        now_s: Callable[[], float],
    ) -> None:
        self.issuer = issuer
        self._authorizations = authorizations
        self.faults = FaultQueue()
        self.log = RequestLog()
        self.gates = Gates()
        self.shape = Shape.NESTED
        self._save = save
        self._now_s = now_s

    def add_to(self, app: web.Application) -> None:
        """Register the routes, and one that logs whatever else is asked for."""
        app.router.add_post(TOKEN, self.token)
        app.router.add_post(REVOKE, self.revoke)
        app.router.add_get(USAGE, self.usage)
        app.router.add_route("*", "/{path:.*}", self.unknown)

    async def token(self, request: web.Request) -> web.StreamResponse:
        """``POST /oauth/token``: JSON or form for a refresh token, a form only for a code."""
        fields = await body_fields(request)
        if fields.get("grant_type") == "authorization_code":
            return await self._code(request, fields if request.content_type == FORM else {})

        def judge(fault: Fault) -> Decision:
            if not fault.processed:
                return self.issuer.look(fields)
            return self.issuer.exchange(
                fields, self._now_s(), keeps_refresh=fault.keeps_refresh, stranger=fault.stranger
            )

        return await self._handle(request, self.issuer.look(fields), judge)

    async def _code(self, request: web.Request, fields: Mapping[str, object]) -> web.StreamResponse:
        def judge(fault: Fault) -> Decision:
            if not fault.processed:
                return self._authorizations.look(fields)
            return self._authorizations.redeem(fields, self._now_s())

        return await self._handle(request, self._authorizations.look(fields), judge)

    async def revoke(self, request: web.Request) -> web.StreamResponse:
        """``POST /oauth/revoke`` (RFC 7009), JSON or form."""
        fields = await body_fields(request)

        def judge(fault: Fault) -> Decision:
            return self.issuer.revoke(fields) if fault.processed else self.issuer.look(fields, "token")

        return await self._handle(request, self.issuer.look(fields, "token"), judge)

    async def usage(self, request: web.Request) -> web.StreamResponse:
        """``GET /backend-api/wham/usage`` with the access token as bearer."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        bearer = Secret(token.strip() if scheme.lower() == "bearer" else "")
        seen = self.issuer.look({"token": bearer.reveal()}, "token")

        def judge(fault: Fault) -> Decision:
            return self.issuer.usage(bearer, self._now_s()) if fault.processed else seen

        return await self._handle(request, seen, judge)

    async def unknown(self, request: web.Request) -> web.StreamResponse:
        """Answer 404, and log it: nobody should ask for anything else."""
        decision = Decision(text="refused: not_found", status=404, code="not_found")
        await self.note(request, decision, "", 404, path="(unknown path)")
        return response(decision.reply(self.shape))

    async def _handle(self, request: web.Request, seen: Decision, judge: Judge) -> web.StreamResponse:
        login_id = seen.login.login_id if seen.login else ""
        queued = self.faults.take(request.path, login_id) or _HONEST
        fault = queued.fault
        if fault.held_before:
            await self.gates.hold()
        decision = judge(fault)
        if fault.processed:
            self._save()
        reply = spoil(queued, decision, self.shape)
        status = reply.status if fault.wire in (Wire.ANSWER, Wire.TORN) else 0
        await self.note(request, decision, fault.name, status)
        if fault.held:
            await self.gates.hold()
        if fault.slow:
            await self.gates.until_stopped(queued.seconds)
        return await self._send(request, fault.wire, reply)

    async def answer(self, request: web.Request, decision: Decision) -> web.StreamResponse:
        """Log a decision that commits nothing, and send its answer, unless a fault is queued for it."""
        return await self._handle(request, decision, lambda _fault: decision)

    async def note(
        self, request: web.Request, decision: Decision, fault: str, status: int, path: str = ""
    ) -> None:
        """Write one request into the log."""
        self.log.add(
            now_s=self._now_s(),
            route=f"{request.method} {path or request.path}",
            fingerprint=decision.fingerprint,
            login_id=decision.login.login_id if decision.login else "",
            generation=decision.generation,
            decision=decision.text,
            fault=fault,
            status=status,
        )
        await self.gates.tell()

    async def _send(self, request: web.Request, wire: Wire, reply: Reply) -> web.StreamResponse:
        if wire is Wire.HANG:
            await self.gates.until_stopped()
        if wire in (Wire.HANG, Wire.RESET):
            _reset(request)
        if wire is Wire.TORN:
            return await _tear(request, reply)
        return response(reply)


def response(reply: Reply) -> web.Response:
    """Return a reply as aiohttp sends it."""
    headers = {"Content-Type": reply.content_type, **reply.headers}
    return web.Response(status=reply.status, body=reply.body, headers=headers)


def _reset(request: web.Request) -> None:
    transport = request.transport
    if transport is None:
        return
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
    transport.abort()


async def _tear(request: web.Request, reply: Reply) -> web.StreamResponse:
    """Send the headers of the whole answer and half of its body."""
    response = web.StreamResponse(status=reply.status, headers={"Content-Type": reply.content_type})
    response.content_length = len(reply.body)
    await response.prepare(request)
    await response.write(reply.body[: len(reply.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


async def body_fields(request: web.Request) -> Mapping[str, object]:
    """Return the body's fields, whichever of the two encodings it has; none where it has neither."""
    if request.content_type == FORM:
        return dict(await request.post())
    try:
        document = loads((await request.read()).decode())
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
