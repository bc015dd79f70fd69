"""Finding the account whose token a client gets, and having that recorded before it leaves."""

import asyncio
from collections.abc import Callable

from structlog import get_logger

from broker.access.ports import Asking, AuditWriter, Coordinator
from broker.access.refused import Code, Refused
from broker.access.verdict import is_servable, may_be_awaited, refusal
from broker.domain.audit import Action
from broker.domain.client import choose_account, decide
from broker.domain.records import Account, AuditRecord, Client
from broker.domain.roster import Roster
from fetchtoken.domain.errors import FetchTokenError

__all__ = ["LONGEST_MIN_VALID_S", "REFUSED_KEY", "TokenDesk", "check_token_scope", "parse_min_valid"]

LONGEST_MIN_VALID_S = 864_000
_LONGEST_WAIT_S = 10.0
"""Nobody waits longer for an exchange."""

REFUSED_KEY = "the API key is missing, unknown, expired or revoked"
_DETAILS: dict[Code, str] = {
    "invalid_token": REFUSED_KEY,
    "insufficient_scope": "this key may not read tokens",
    "not_granted": "this key has no grant for that account",
    "account_disabled": "the account is disabled",
    "account_required": "this key has several grants and no default: name the account",
}
_SERVED = Action.TOKEN_SERVED.value
_log = get_logger(__name__)

Again = Callable[[], Client | None]
"""Returns the client that the caller's key is now, if any: what was true may have changed meanwhile."""


class TokenDesk:
    """Where clients get their tokens.

    Args:
        roster: accounts and clients.
        coordinator: exchanges tokens that have expired.
        audit: is told before a token leaves.
        clock: returns epoch seconds.
    """

    def __init__(
        self, roster: Roster, coordinator: Coordinator, audit: AuditWriter, clock: Callable[[], float]
    ) -> None:
        self._roster = roster
        self._coordinator = coordinator
        self._audit = audit
        self._clock = clock

    async def account(
        self, call: Asking, client: Client, name: str | None, min_valid_s: int, again: Again
    ) -> Account:
        """Return an account whose token the client may have and that lives for as long as asked.

        Args:
            call: the request; its account is filled in, its time moves on while it waits.
            client: who asks, with the scope for tokens.
            name: a well-formed name, or ``None`` for the client's only or default account.
            min_valid_s: least seconds of life wanted; never causes an exchange.
            again: asked after a wait.

        Raises:
            Refused: there is no such token for this client now.
        """
        account = self._allowed(client, self._named(client, name), call.now_s)
        call.account = account.name
        if not is_servable(account, call.now_s, min_valid_s):
            if may_be_awaited(account, call.now_s):
                account = await self._renewed(call, account, again)
            if not is_servable(account, call.now_s, min_valid_s):
                raise refusal(account, call.now_s, min_valid_s)
        return account

    async def record(self, call: Asking, client: Client, account: Account, detail: str = "") -> None:
        """Have it durably recorded that a token leaves; where this raises, it does not.

        Args:
            call: the request.
            client: who gets it.
            account: whose token.
            detail: what else the trail shall say.

        Raises:
            Refused: ``unavailable``.
        """
        record = AuditRecord(
            at=call.now_s,
            action=_SERVED,
            client=client.name,
            account=account.name,
            peer=call.peer,
            request_id=call.request_id,
            detail=detail,
        )
        try:
            await self._audit.record(record)
        except Exception as error:  # noqa: BLE001 - whatever it is, no token leaves unrecorded
            _log.error("no audit record, so no token left", error=error, request_id=call.request_id)
            raise Refused("unavailable", "the audit trail cannot be written", retry_after_s=5) from None

    def _named(self, client: Client, name: str | None) -> Account | None:
        if name is not None:
            return self._roster.account(name)
        chosen = choose_account(client)
        if chosen is not None:
            return self._roster.account_by_id(chosen)
        if client.accounts:
            raise _refused("account_required")
        raise Refused("not_granted", "this key has no grants")

    def _allowed(self, client: Client | None, account: Account | None, now_s: float) -> Account:
        """Return the account when the client may have its token."""
        reason = "invalid_token" if client is None else decide(client, account, "token", now_s)
        if reason is not None or account is None:
            raise _refused(reason or "not_granted")
        return account

    async def _renewed(self, call: Asking, account: Account, again: Again) -> Account:
        """Return the account after an exchange, or after the longest wait for one.

        What may have changed meanwhile is asked again: the time, the client and its grants.
        """
        try:
            async with asyncio.timeout(_LONGEST_WAIT_S):
                account = await self._coordinator.ensure(account.id, reason="request")
        except (FetchTokenError, TimeoutError):
            account = self._roster.account_by_id(account.id) or account
        except Exception as error:  # noqa: BLE001 - the caller is told to come back, the log tells why
            _log.exception("an exchange on request failed", error=error, request_id=call.request_id)
            account = self._roster.account_by_id(account.id) or account
        call.now_s = self._clock()
        return self._allowed(again(), account, call.now_s)


def check_token_scope(client: Client) -> None:
    """Raise unless a client may read tokens at all.

    Raises:
        Refused: ``insufficient_scope``.
    """
    if "token" not in client.scopes:
        raise _refused("insufficient_scope")


def parse_min_valid(text: str) -> int | None:
    """Return the seconds that a caller wrote, or ``None`` where they are none from 0 to the longest."""
    if text.isascii() and text.isdigit() and len(text) <= 6:
        seconds = int(text)
        if seconds <= LONGEST_MIN_VALID_S:
            return seconds
    return None


def _refused(reason: Code) -> Refused:
    return Refused(reason, _DETAILS[reason])
