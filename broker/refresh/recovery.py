"""After a crash: settle by the journal what nobody in this daemon is carrying out."""

import asyncio
from dataclasses import replace

import structlog

from broker.domain.account import Event, State
from broker.domain.records import Account
from broker.refresh.coordinator import Coordinator
from broker.refresh.journals import Journals
from broker.refresh.outcomes import judge_entry
from broker.refresh.settlement import Settlement
from broker.refresh.workshop import Workshop
from fetchtoken.oauth.journal import Entry, Phase
from fetchtoken.oauth.outcome import Kind, Outcome

__all__ = ["Recovery"]

_log = structlog.get_logger("broker.refresh")


class Recovery:
    """Looks at the journal for every account that is refreshing, replaying or in doubt.

    At the start, and every second while there is such an account: an exchange process that
    outlived a killed daemon writes its answer when it comes.
    """

    def __init__(self, shop: Workshop, coordinator: Coordinator) -> None:
        self._shop = shop
        self._coordinator = coordinator
        self._settlement = Settlement(shop)

    def outstanding(self) -> bool:
        """Tell whether any account in memory waits for an outcome that no flight will bring."""
        flying = self._coordinator.flying
        return any(
            account.state not in (State.ACTIVE, State.LOGIN_REQUIRED) and account.id not in flying
            for account in self._shop.roster.accounts()
        )

    async def look(self) -> None:
        """Settle what can be settled now."""
        for account in await self._shop.store.unsettled():
            if account.id not in self._coordinator.flying:
                await self._settle(account)

    async def sweep(self) -> None:
        """At the start: deal with journal files that no row waits for any more.

        Tokens in such a file belong to a rotation that was committed just before a crash, or to a
        login that has been replaced; the store knows which, and keeps the latter sealed.
        """
        wanted = {account.attempt_id for account in await self._shop.store.unsettled()}
        for attempt_id in await asyncio.to_thread(self._shop.journals.attempts):
            if attempt_id in wanted:
                continue
            entry = await asyncio.to_thread(self._shop.journals.look, attempt_id)
            intent = Journals.intent_of(entry)
            owner = None if intent is None else self._shop.roster.account_by_id(intent.account)
            if entry.phase in (Phase.HELD, Phase.UNREADABLE):
                _log.warning("journal_left_alone", attempt=attempt_id, phase=str(entry.phase))
            elif entry.phase is Phase.ANSWERED and intent is not None and owner is not None:
                await self._late(owner, attempt_id, entry)
            else:
                await asyncio.to_thread(self._shop.journals.forget, attempt_id)

    async def _settle(self, account: Account) -> None:
        attempt_id = account.attempt_id or ""
        if account.journal_id != self._shop.journals.journal_id:
            # Another volume's journal cannot be judged from here: whatever it holds is unknown. Its
            # owner may be at work on it, until the lease ends on the one clock that both go by.
            if await self._is_leased(account):
                return
            judged: tuple[Event, Outcome] | None = (
                Event.OWNER_GONE,
                Outcome(Kind.UNKNOWN, "foreign_journal", f"its journal is on {account.journal_id}"),
            )
        else:
            entry = await asyncio.to_thread(self._shop.journals.look, attempt_id)
            judged = judge_entry(entry, now_s=self._shop.rules.clock())
        if judged is None:
            return
        event, outcome = judged
        if account.state is State.IN_DOUBT and event is not Event.JOURNAL_ANSWER:
            return
        _log.info("recovering", account=account.name, attempt=attempt_id, found=outcome.detail or str(event))
        await self._settlement.settle(account, attempt_id, event, outcome)

    async def _is_leased(self, account: Account) -> bool:
        lease_until = account.lease_until
        return lease_until is not None and await self._shop.store.database_now() < lease_until

    async def _late(self, owner: Account, attempt_id: str, entry: Entry) -> None:
        """Hand a left-over answer to the store as of the login and generation that it was for."""
        intent = Journals.intent_of(entry)
        judged = judge_entry(entry, now_s=self._shop.rules.clock())
        if intent is None or judged is None:
            return
        event, outcome = judged
        if event is not Event.JOURNAL_ANSWER:
            await asyncio.to_thread(self._shop.journals.forget, attempt_id)
            return
        sent = replace(owner, login_id=intent.login_id, generation=intent.generation)
        await self._settlement.settle(sent, attempt_id, event, outcome)
