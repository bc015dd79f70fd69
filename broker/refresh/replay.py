"""The deliberate second sending: what must be looked at right before it."""

import asyncio
from contextlib import suppress
from enum import StrEnum

import structlog

from broker.domain.account import Event, State
from broker.domain.audit import Action
from broker.domain.records import Account, AuditRecord
from broker.domain.replay import by_itself_from, is_open
from broker.domain.schedule import servable
from broker.domain.trouble import relogin, still_safe
from broker.refresh.explain import explain, in_flight
from broker.refresh.outcomes import brought_nothing, judge_entry
from broker.refresh.sending import Sender
from broker.refresh.settlement import Settlement
from broker.refresh.workshop import Workshop
from fetchtoken.domain.errors import LoginRequired
from fetchtoken.oauth.journal import Entry, Phase

__all__ = ["By", "Replay"]

_log = structlog.get_logger("broker.refresh")


class By(StrEnum):
    """Who decided that a replay is worth its risk."""

    ITSELF = "by itself, expired"
    OPERATOR = "ordered by an operator"


class Replay:
    """Looks at the former attempt's journal once more and sends again, in this order.

    Args:
        shop: what it works with.
        sender: carries the new attempt out.
    """

    def __init__(self, shop: Workshop, sender: Sender) -> None:
        self._shop = shop
        self._sender = sender
        self._settlement = Settlement(shop)

    async def run(self, account: Account, by: By, *, peer: str = "") -> Account:
        """Replay an account's generation, or commit the answer that its journal holds by now.

        Args:
            account: as the roster holds it.
            by: who decided.
            peer: that person, for the audit record.

        Returns:
            The account as it is now; unchanged where it may not be replayed by itself.

        Raises:
            LoginRequired: nothing was sent: the journal holds a refusal.
            Unavailable: nothing was sent: not in doubt, its replay used, its exchange still alive.
        """
        now_s = self._shop.rules.clock()
        if not is_open(account):
            raise explain(account, now_s)
        if by is By.ITSELF and not self._is_due(account, now_s):
            return account
        former = account.attempt_id or ""
        entry = await self._former(account)
        judged = judge_entry(entry, now_s=now_s)
        if judged is None:
            raise in_flight(account.name)
        event, outcome = judged
        if event is Event.JOURNAL_ANSWER or outcome.tokens is not None:
            # Even a refresh token that came alone: the one that was sent is spent, whoever orders more.
            return await self._settlement.settle(account, former, Event.JOURNAL_ANSWER, outcome) or account
        if by is By.OPERATOR and event is Event.REFUSED:
            raise LoginRequired(
                f"{account.name} was refused by the issuer ({outcome.code}), says the journal of its first"
                f" sending, so nothing was sent again; {still_safe(account, now_s)}",
                hint=relogin(account),
                code="login_required",
            )
        if by is By.ITSELF and not brought_nothing(entry, outcome):
            _log.warning("not_replayed", account=account.name, journal=str(entry.phase))
            return account
        if entry.phase in (Phase.MISSING, Phase.UNREADABLE):
            account = await self._blind(account, peer, now_s)
        settled = await self._sender.send(account, State.REPLAYING, str(by), peer=peer)
        await self._forget(former, entry)
        return settled or account

    def _is_due(self, account: Account, now_s: float) -> bool:
        from_s = by_itself_from(account, self._shop.journals.journal_id, now_s)
        return from_s is not None and from_s <= now_s and not servable(account.expires_at, now_s)

    async def _former(self, account: Account) -> Entry:
        if account.journal_id != self._shop.journals.journal_id:
            # What lies on another volume cannot be looked at from here.
            return Entry(Phase.MISSING)
        return await asyncio.to_thread(self._shop.journals.look, account.attempt_id or "")

    async def _blind(self, account: Account, peer: str, now_s: float) -> Account:
        """Note, before its name leaves the row, that a journal was never read.

        Where the replay comes back unused, the row names the replay's own empty journal. The first
        one may hold tokens all the same, so nothing more may be sent without a person: the account
        counts as restored until a token answer or a new login.
        """
        detail = f"attempt {account.attempt_id} on {account.journal_id}"
        audit = AuditRecord(now_s, Action.ACCOUNT_BLIND, account=account.name, peer=peer, detail=detail)
        noted = await self._shop.store.set_flags(account.id, audit, restored=True)
        self._shop.roster.put_account(noted)
        return noted

    async def _forget(self, former: str, entry: Entry) -> None:
        """Remove the former attempt's file, unless a key that comes back may yet open it."""
        if entry.phase not in (Phase.MISSING, Phase.UNREADABLE):
            with suppress(OSError):  # the next start sweeps what is left
                await asyncio.to_thread(self._shop.journals.forget, former)
