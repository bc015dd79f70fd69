"""``POST /oauth/token`` and ``/oauth/revoke``: for clients that have never heard of a broker.

To the Codex CLI a machine credential is a refresh token that is never rotated. Codex presents it in storms,
from several processes at once, without a pause: so an answer costs what ``GET /codex`` costs. It tells a
login that ended from an outage by status and code alone, so nothing that will pass is answered with 401.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple

from aiohttp.web import Response
from structlog import get_logger

from broker.access.gate import Gate
from broker.access.recent import Recent
from broker.access.refused import Refused
from broker.access.tokens import TokenDesk
from broker.api.bodies import fields_of_body
from broker.api.call import Call
from broker.api.oauth import TEXTS, Fields, Grant, answered
from broker.api.ports import Machines
from broker.api.problems import ProblemError, no_store
from broker.domain.apikey import ApiKey, matches, parse_key
from broker.domain.machine import MachineRefusal, refusal_of
from broker.domain.records import Account, Client, Machine
from broker.domain.roster import Roster
from broker.domain.tokens import token_of
from fetchtoken.domain.errors import FetchTokenError
from fetchtoken.formats.codex import access_only_document

__all__ = ["LARGEST_FORM", "MachineHandlers", "machine_token"]

LARGEST_FORM = 8192
"""Bytes of a request."""

_RECOVERY = "unauthorized_recovery"
_LONGEST_WAIT_S = 10.0
_TELL_EVERY_S = 3600.0
_NOBODY = bytes(32)
"""Stands in for the stored hash of an unknown credential, so that both cost the same time."""

_ENDED: dict[MachineRefusal, str] = {
    "refresh_token_expired": "this machine credential has expired",
    "refresh_token_invalidated": "this machine credential is unknown or revoked",
}
_log = get_logger(__name__)


class _Holder(NamedTuple):
    """A credential that counts, with what it stands for."""

    machine: Machine
    client: Client
    account: Account


class MachineHandlers:
    """Answers holders of machine credentials.

    Args:
        roster: clients, accounts and credentials.
        desk: decides who gets which token.
        gate: how often it may be tried.
        machines: looks into refused tokens, notes uses, revokes.
        key_hash_key: the key under which credentials are hashed.
        clock: returns epoch seconds.
        grants: who answers other grants, by ``grant_type``.
    """

    def __init__(  # noqa: PLR0913 - parts, each named at the call
        self,
        *,
        roster: Roster,
        desk: TokenDesk,
        gate: Gate,
        machines: Machines,
        key_hash_key: bytes,
        clock: Callable[[], float],
        grants: Mapping[str, Grant],
    ) -> None:
        self._roster = roster
        self._desk = desk
        self._gate = gate
        self._machines = machines
        self._key_hash_key = key_hash_key
        self._clock = clock
        self._told = Recent(_TELL_EVERY_S)
        self._grants = {"refresh_token": self._refresh, **grants}

    async def token(self, call: Call) -> Response:
        """Answer a request by its grant."""
        fields = await fields_of_body(call, LARGEST_FORM, texts=TEXTS)
        grant = fields.get("grant_type", "")
        if grant not in self._grants:
            known = " or ".join(self._grants)
            raise ProblemError("unsupported_grant_type" if grant else "invalid_request", f"want {known}")
        return await self._grants[grant](call, fields)

    async def _refresh(self, call: Call, fields: Fields) -> Response:
        """Return the access token of a credential's account."""
        shown = fields.get("refresh_token", "")
        if not shown.startswith("cbr_"):
            # It is looked at no further: a variable that was left in a shell sends real logins here. Nor is
            # it invalid_grant, at which Codex would have its user log out of what is good elsewhere.
            raise ProblemError("invalid_request", "refresh_token is no machine credential of a broker")
        key = parse_key(shown)
        if key is None:
            raise ProblemError("invalid_grant", "this machine credential is not whole")
        holder = await self._account(call, self._holder(call, key), fields.get("refresh_reason", ""))
        machine, client, account = holder
        await self._desk.record(call, client, account, f"machine {machine.id} {machine.name}")
        self._machines.served(machine, account, call.now_s)
        return answered(call, machine_token(account, key, call.now_s))

    async def revoke(self, call: Call) -> Response:
        """End a credential (RFC 7009 §2.2); what is none, or ended long ago, is answered alike."""
        fields = await fields_of_body(call, LARGEST_FORM)
        if "token" not in fields:
            raise ProblemError("invalid_request", "token is missing")
        key = parse_key(fields["token"])
        if key is not None and key.kind == "cbr":
            machine = self._proven(call, key)
            if machine is not None and machine.revoked_at is None:
                await self._revoke(call, machine)
        return answered(call, {})

    async def _revoke(self, call: Call, machine: Machine) -> None:
        try:
            await self._machines.revoke(machine, peer=call.peer, request_id=call.request_id)
        except FetchTokenError:
            raise no_store() from None

    def _proven(self, call: Call, key: ApiKey) -> Machine | None:
        """Return the machine whose credential this is; an unknown one costs its address."""
        shown = key.text.reveal()
        trial = self._gate.trial(call.peer, key.key_id, call.ticks_s, machine_credential=shown)
        machine = self._roster.machine_by_key(key.key_id)
        if not matches(key, self._key_hash_key, _NOBODY if machine is None else machine.key_hash):
            machine = None
        if machine is None:
            self._gate.failed(trial, call.ticks_s, shown=shown)
        else:  # one that ended, too: it is to be told so whatever its neighbours do
            self._gate.passed(trial, call.ticks_s)
        return machine

    def _holder(self, call: Call, key: ApiKey) -> _Holder:
        """Return whose credential this is, where it still counts."""
        machine = self._proven(call, key)
        client = None if machine is None else self._roster.client_by_id(machine.client)
        if client is not None:  # the log is to name it, should its credential have ended, too
            call.client = client.name
        holder = self._counting(machine, call.now_s)
        try:
            self._gate.read(holder.client, call.ticks_s, holder.machine)
        except Refused:
            self._tell(call, holder)
            raise
        return holder

    def _tell(self, call: Call, holder: _Holder) -> None:
        """Have the log name a machine that asks without end, once an hour."""
        machine, client, account = holder
        if not self._told.has(machine.key_id, call.ticks_s):
            self._told.add(machine.key_id, call.ticks_s)
            names = {"client": client.name, "machine": machine.id, "account": account.name}
            _log.warning("asked_without_end", **names, peer=call.peer, todo="look at its clock")

    def _counting(self, machine: Machine | None, now_s: float) -> _Holder:
        """Return client and account of a credential as they are now.

        Raises:
            ProblemError: it has ended.
        """
        if machine is not None:
            machine = self._roster.machine(machine.id)
        client = None if machine is None else self._roster.client_by_id(machine.client)
        account = None if machine is None else self._roster.account_by_id(machine.account)
        reason = refusal_of(machine, client, account, now_s)
        if reason is not None or machine is None or client is None or account is None:
            raise _ended(reason or "refresh_token_invalidated")
        return _Holder(machine, client, account)

    async def _account(self, call: Call, holder: _Holder, reason: str) -> _Holder:
        """Return the account with a token to hand out, looked into where the machine says it was refused."""
        holder = await self._served(call, holder)
        if reason != _RECOVERY:
            return holder
        await self._look_into(call, holder)
        call.now_s = self._clock()
        return await self._served(call, self._counting(holder.machine, call.now_s))

    async def _served(self, call: Call, holder: _Holder) -> _Holder:
        machine, client, account = holder

        def again() -> Client | None:
            return self._counting(machine, self._clock()).client

        try:
            account = await self._desk.account(call, client, account.name, 0, again)
        except Refused as refused:
            if refused.code in ("invalid_token", "not_granted"):
                raise _ended("refresh_token_invalidated") from None
            raise
        return _Holder(machine, client, account)

    async def _look_into(self, call: Call, holder: _Holder) -> None:
        machine, _, account = holder
        try:
            async with asyncio.timeout(_LONGEST_WAIT_S):
                await self._machines.recovered(machine, account)
        except TimeoutError:  # it goes on; the caller gets what is held now
            _log.warning("recovery_takes_long", account=account.name, request_id=call.request_id)


def _ended(code: MachineRefusal) -> ProblemError:
    return ProblemError(code, _ENDED[code])


def machine_token(account: Account, key: ApiKey, now_s: float) -> dict[str, object]:
    """Return what a machine gets: a token of its account, beside the credential that it keeps."""
    tokens = access_only_document(token_of(account), now_s=now_s)["tokens"]
    assert isinstance(tokens, dict)  # noqa: S101 - what a Codex file is
    left_s = None if account.expires_at is None else max(0, int(account.expires_at - now_s))
    return {
        "access_token": account.access_token.reveal(),
        "token_type": "Bearer",
        "expires_in": left_s,
        "refresh_token": key.text.reveal(),
        "id_token": tokens["id_token"],
    }
