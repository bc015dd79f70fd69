"""Token exchange (RFC 8693) at ``POST /oauth/token``: an API key brings a machine a credential of its own.

What comes in is the client's API key, as the ``subject_token``: to whoever it was issued to it is an opaque
access token of this broker, so that is its type. What goes out is a credential that a program keeps as its
refresh token, so that is its type, with the token that it stands for beside it: nobody must come twice.
"""

import os
from collections.abc import Callable

from aiohttp.web import Response

from broker.access.gate import Gate
from broker.access.tokens import REFUSED_KEY, TokenDesk, check_token_scope
from broker.api.answer import PreparedAnswer
from broker.api.authenticate import Authenticator
from broker.api.call import Call
from broker.api.oauth import Fields, answered
from broker.api.ports import Machines
from broker.api.problems import ProblemError, no_store
from broker.domain.apikey import ApiKey, new_key
from broker.domain.audit import Action
from broker.domain.machine import MOST_LIVE, exchanged_ends, is_machine_name
from broker.domain.records import Account, AuditRecord, Client, Machine
from broker.domain.roster import Roster
from fetchtoken.domain.errors import ConfigError, Denied, FetchTokenError, NotFound
from fetchtoken.domain.instants import to_rfc3339
from fetchtoken.domain.jsontext import loads
from fetchtoken.domain.names import is_name
from fetchtoken.oauth.token_exchange import ACCESS_TOKEN, REFRESH_TOKEN, TOKEN_EXCHANGE

__all__ = ["TOKEN_EXCHANGE", "ExchangeHandler"]


class ExchangeHandler:
    """Answers machines whose client has an API key.

    Args:
        roster: clients.
        authenticator: finds the client of a key, and has a wrong one paid for.
        desk: decides who gets which token.
        gate: how often it may be done.
        machines: makes credentials.
        clock: returns epoch seconds.
        random_bytes: a strong source.
    """

    def __init__(  # noqa: PLR0913 - parts, each named at the call
        self,
        *,
        roster: Roster,
        authenticator: Authenticator,
        desk: TokenDesk,
        gate: Gate,
        machines: Machines,
        clock: Callable[[], float],
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._roster = roster
        self._authenticator = authenticator
        self._desk = desk
        self._gate = gate
        self._machines = machines
        self._clock = clock
        self._random_bytes = random_bytes

    async def token(self, call: Call, fields: Fields) -> Response:
        """Make a credential for one account and machine, in the place of what that machine had."""
        # What has no value counts as left out (RFC 6749 §3.2).
        fields = {name: value for name, value in fields.items() if value}
        name = _checked(fields)
        client = self._authenticator.client_of(
            fields["subject_token"], call.peer, now_s=call.now_s, ticks_s=call.ticks_s
        )
        call.client = client.name
        check_token_scope(client)

        def again() -> Client | None:
            return self._roster.client_by_key(client.key_id)

        account = await self._desk.account(call, client, fields.get("audience"), 0, again)
        self._gate.exchange(client, call.ticks_s)
        await self._desk.record(call, client, account, f"machine {name}, for an API key")
        key = new_key("cbr", self._random_bytes)
        machine = await self._made(call, key, client, account, name)
        self._machines.served(machine, account, call.now_s)
        return answered(call, _document(key, machine, account, self._clock()))

    async def _made(self, call: Call, key: ApiKey, client: Client, account: Account, name: str) -> Machine:
        audit = AuditRecord(
            at=call.now_s,
            action=Action.MACHINE_ADDED,
            client=client.name,
            account=account.name,
            peer=call.peer,
            request_id=call.request_id,
            detail="for an API key",
        )
        try:
            return await self._machines.replace(
                key,
                audit,
                client=client.id,
                account=account.id,
                name=name,
                expires_at=exchanged_ends(client, call.now_s),
                from_key=client.key_id,
            )
        except Denied:
            raise ProblemError("invalid_token", REFUSED_KEY) from None
        except NotFound:
            raise ProblemError("not_granted", "this key has no grant for that account any more") from None
        except ConfigError:
            raise ProblemError(
                "too_many_machines", f"this client has {MOST_LIVE} machine credentials: revoke some of them"
            ) from None
        except FetchTokenError:
            raise no_store() from None


def _checked(fields: Fields) -> str:
    """Return the machine's name from a request that asks for what there is.

    Raises:
        ProblemError: it does not.
    """
    if not fields.get("subject_token"):
        raise ProblemError("invalid_request", "subject_token is missing: the API key")
    if fields.get("subject_token_type") != ACCESS_TOKEN:
        raise ProblemError("invalid_request", f"subject_token_type must be {ACCESS_TOKEN}")
    if fields.get("requested_token_type", REFRESH_TOKEN) != REFRESH_TOKEN:
        raise ProblemError("invalid_request", f"requested_token_type must be {REFRESH_TOKEN}")
    if "actor_token" in fields or "actor_token_type" in fields:
        raise ProblemError("invalid_request", "nobody acts for anybody here: leave actor_token out")
    if "resource" in fields:
        raise ProblemError("invalid_target", "name the account with audience, not with resource")
    if fields.get("scope", "token") != "token":
        raise ProblemError("invalid_request", "a machine credential has scope token and no other")
    if "audience" in fields and not is_name(fields["audience"]):
        raise ProblemError("invalid_target", "audience is no name of an account")
    name = fields.get("machine_name", "")
    if not is_machine_name(name):
        raise ProblemError("invalid_request", "machine_name must be 1 to 64 of letters, digits and ._-")
    return name


def _document(key: ApiKey, machine: Machine, account: Account, now_s: float) -> dict[str, object]:
    """Return the answer of RFC 8693 §2.2.1: what was issued is no bearer, so its type is ``N_A``."""
    assert machine.expires_at is not None  # noqa: S101 - exchanged_ends gave it one
    return {
        "access_token": key.text.reveal(),
        "issued_token_type": REFRESH_TOKEN,
        "token_type": "N_A",
        "expires_in": max(0, int(machine.expires_at - now_s)),
        "expires_at": to_rfc3339(machine.expires_at),
        "scope": "token",
        "machine": machine.id,
        "token": loads(PreparedAnswer(account).json(now_s).decode()),
    }
