"""``POST /join``: an invite code becomes a client, once."""

from aiohttp import hdrs
from aiohttp.web import Response

from broker.access.gate import Gate
from broker.access.refused import Refused
from broker.api.bodies import json_body
from broker.api.call import Call
from broker.api.models import JoinRequest
from broker.api.ports import Enrolment
from broker.api.problems import NO_STORE, X_REQUEST_ID, no_store
from broker.domain.apikey import parse_key
from broker.domain.audit import Action
from broker.domain.records import AuditRecord
from fetchtoken.domain.errors import ConfigError, FetchTokenError
from fetchtoken.domain.jsontext import dumps
from fetchtoken.domain.secret import Secret

__all__ = ["LARGEST_JOIN", "JoinHandlers"]

LARGEST_JOIN = 4096
"""Bytes of the request."""


class JoinHandlers:
    """Answers machines that have a code.

    Every request costs its address one try, and all addresses together one, before anything is
    looked at; only the one that makes a client gets both back. So whoever guesses is held off, and
    a whole team behind one address may join at once.

    Args:
        enrolment: redeems codes.
        gate: how often it may be tried.
    """

    def __init__(self, enrolment: Enrolment, gate: Gate) -> None:
        self._enrolment = enrolment
        self._gate = gate

    async def join(self, call: Call) -> Response:
        """Make a client and return its key, or tell the same machine the same again."""
        self._gate.attempt(call.peer, call.ticks_s)
        request = await json_body(call, JoinRequest, LARGEST_JOIN)
        code = parse_key(request.code)
        record = AuditRecord(
            at=call.now_s,
            action=Action.INVITE_USED,
            peer=call.peer,
            request_id=call.request_id,
            detail=f"host {request.name}" if request.name else "",
        )
        try:
            joined = (
                await self._enrolment.redeem(code, Secret(request.nonce), record)
                if code is not None and code.kind == "cbi"
                else None
            )
        except ConfigError as error:
            raise Refused("invalid_token", f"{error.message}: {error.hint}") from None
        except FetchTokenError:
            raise no_store() from None
        if joined is None:
            raise Refused("invalid_token", "the invite code is unknown, used, expired or revoked")
        if joined.first:
            self._gate.joined(call.peer, call.ticks_s)
        call.client = joined.client.name
        document: dict[str, object] = {
            "api_key": joined.api_key.reveal(),
            "client": joined.client.name,
            "accounts": list(joined.accounts),
        }
        headers = {**NO_STORE, hdrs.CONTENT_TYPE: "application/json", X_REQUEST_ID: call.request_id}
        return Response(body=dumps(document).encode(), headers=headers)
