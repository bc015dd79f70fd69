"""The grant ``authorization_code`` at ``/oauth/token``: how a device login ends, with a machine credential.

Here Codex shows the text of a problem to the person who waits, so each says what to do. There is no
authorization endpoint: the code comes from :mod:`broker.api.device`, and nobody is sent to a redirect URI.
"""

import os
from collections.abc import Callable
from hmac import compare_digest
from urllib.parse import urlsplit

from aiohttp.web import Response

from broker.access.gate import Gate
from broker.access.refused import Refused
from broker.access.tokens import TokenDesk
from broker.api.call import Call
from broker.api.machine import machine_token
from broker.api.oauth import Fields, answered
from broker.api.origins import origin_of
from broker.api.ports import Devices, Machines
from broker.api.problems import ProblemError, no_store
from broker.domain.apikey import ApiKey, new_key
from broker.domain.device import DeviceRequest, DeviceState, challenge_of, is_alive
from broker.domain.records import Account, AuditRecord, Client, Machine
from broker.domain.roster import Roster
from fetchtoken.domain.errors import ConfigError, FetchTokenError, NotFound
from fetchtoken.domain.secret import Secret

__all__ = ["AUTHORIZATION_CODE", "CodeHandler"]

AUTHORIZATION_CODE = "authorization_code"

_CALLBACK = "/deviceauth/callback"
"""Codex's redirect URI at whatever issuer it was given; nothing is there."""

_WANTED = ("client_id", "code", "redirect_uri", "code_verifier")
_BAD = "the authorization code is unknown, expired, or not approved: log in again"
_USED = "the authorization code was used before, and what it brought is revoked: log in again"
_ENDED = "what was approved does not count any more: ask for a new invite, and log in again"


class CodeHandler:
    """Answers whoever brings a code.

    Args:
        roster: accounts and clients.
        desk: decides whether there is a token for the new machine.
        gate: how often it may be tried.
        devices: keeps the logins.
        machines: is told of each token that leaves.
        public_url: how clients reach the broker.
        random_bytes: a strong source.
    """

    def __init__(  # noqa: PLR0913 - parts, each named at the call
        self,
        *,
        roster: Roster,
        desk: TokenDesk,
        gate: Gate,
        devices: Devices,
        machines: Machines,
        public_url: str,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._roster = roster
        self._desk = desk
        self._gate = gate
        self._devices = devices
        self._machines = machines
        self._public_url = public_url
        self._random_bytes = random_bytes

    async def token(self, call: Call, fields: Fields) -> Response:
        """Make the credential that was approved, and return it with a token of its account.

        Nothing is spent before there is a token to go with it: a code that meets an outage stays good.
        """
        if wrong := [name for name in _WANTED if not fields.get(name) or not fields[name].isascii()]:
            raise ProblemError("invalid_request", f"missing or no such text: {', '.join(wrong)}")
        code = Secret(fields["code"])
        request = await self._proven(call, code, fields)
        client, account = await self._parties(request)
        if client is None or account is None:
            raise ProblemError("invalid_grant", _ENDED if request.client else _BAD)
        call.client, call.account = client.name, account.name
        if request.state is not DeviceState.SPENT:
            if not is_alive(request, call.now_s):
                raise ProblemError("invalid_grant", _BAD)
            account = await self._servable(call, client, account)
        key = new_key("cbr", self._random_bytes)
        record = AuditRecord(
            at=call.now_s,
            action="",
            client=client.name,
            account=account.name,
            peer=call.peer,
            request_id=call.request_id,
        )
        machine = await self._redeemed(code, key, record)
        self._machines.served(machine, account, call.now_s)
        return answered(call, machine_token(account, key, call.now_s))

    async def _proven(self, call: Call, code: Secret, fields: Fields) -> DeviceRequest:
        """Return the login whose code this is, shown by whoever asked for it; anyone else pays for it."""
        trial = self._gate.trial(call.peer, code.fingerprint(), call.ticks_s)
        try:
            request = await self._devices.of_code(code)
        except FetchTokenError:
            raise no_store() from None
        verified = compare_digest(
            challenge_of(Secret(fields["code_verifier"])), challenge_of(self._devices.verifier(code))
        )
        if request is None or not verified or fields["client_id"] != request.client_id:
            self._gate.failed(trial, call.ticks_s)
            raise ProblemError("invalid_grant", _BAD)
        if not self._is_ours(fields["redirect_uri"]):
            raise ProblemError(
                "invalid_grant",
                f"log in at the address of this broker: --experimental_issuer {self._public_url}",
            )
        return request

    def _is_ours(self, redirect_uri: str) -> bool:
        """Tell whether a redirect URI is of this broker, by whichever spelling its address was typed."""
        own = self._public_url + _CALLBACK
        return origin_of(redirect_uri) == origin_of(own) and _path(redirect_uri) == _path(own)

    async def _parties(self, request: DeviceRequest) -> tuple[Client | None, Account | None]:
        if request.client is None or request.account is None:
            return None, None
        try:
            client = await self._devices.client(request.client)
        except FetchTokenError:
            raise no_store() from None
        return client, self._roster.account_by_id(request.account)

    async def _servable(self, call: Call, client: Client, account: Account) -> Account:
        """Return the account with a token to hand out, where its client may have that."""

        def again() -> Client | None:
            return self._roster.client_by_id(client.id)

        try:
            return await self._desk.account(call, client, account.name, 0, again)
        except Refused as refused:
            if refused.code in ("invalid_token", "insufficient_scope", "not_granted"):
                raise ProblemError("invalid_grant", _ENDED) from None
            raise

    async def _redeemed(self, code: Secret, key: ApiKey, record: AuditRecord) -> Machine:
        try:
            done = await self._devices.redeem(code, key, record)
        except NotFound:
            raise ProblemError("invalid_grant", _ENDED) from None
        except ConfigError as error:
            raise ProblemError("too_many_machines", f"{error.message}: revoke some of them") from None
        except FetchTokenError:
            raise no_store() from None
        if done.made is None:
            raise ProblemError("invalid_grant", _USED)
        return done.made


def _path(url: str) -> str:
    # Whoever types the issuer with a slash at its end gets two.
    return urlsplit(url).path.replace("//", "/")
