"""After a crash: settle by the journal what nobody in this daemon is carrying out."""

import asyncio
from dataclasses import replace

import structlog

from broker.domain.account import Event, State
from broker.domain.audit import Action
from broker.domain.records import Account, AuditRecord
from broker.domain.tokens import read_tokens
from broker.refresh.coordinator import Coordinator
from broker.refresh.journals import Journals
from broker.refresh.outcomes import judge_entry
from broker.refresh.settlement import Settlement
from broker.refresh.workshop import Workshop
from broker.store.commit import Sent
from broker.store.late import keep_late
from fetchtoken.domain.errors import FetchTokenError
from fetchtoken.domain.secret import Secret
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
        self._settlement = Settlement(shop, patient=False)
        self._told: dict[str, str] = {}
        """What was logged last, by attempt: one that cannot be settled is looked at every second."""

    def outstanding(self) -> bool:
        """Tell whether any account in memory waits for an outcome that no flight will bring."""
        return not self._shop.roster.unsettled() <= self._coordinator.flying

    async def look(self) -> None:
        """Settle what can be settled now."""
        for account in await self._shop.store.unsettled():
            if account.id in self._coordinator.flying:
                continue
            try:
                await self._settle(account)
            except (FetchTokenError, OSError) as error:
                # One row that takes no outcome must hold back neither the others nor the start.
                self._tell(account.name, account.attempt_id or "", error)

    async def sweep(self) -> None:
        """At the start: deal with journal files that no row waits for any more.

        Tokens in such a file belong to a rotation that was committed just before a crash, to a login
        that has been replaced or to an account that was removed; the store knows which, and keeps all
        but the first sealed.
        """
        wanted = {account.attempt_id for account in await self._shop.store.unsettled()}
        for attempt_id in await asyncio.to_thread(self._shop.journals.attempts):
            if attempt_id in wanted:
                continue
            entry = await asyncio.to_thread(self._shop.journals.look, attempt_id)
            try:
                done = await self._late(attempt_id, entry)
            except (FetchTokenError, OSError) as error:
                self._tell("", attempt_id, error)
                continue
            if not done:
                _log.warning("journal_left_alone", attempt=attempt_id, phase=str(entry.phase))

    def _tell(self, account: str, attempt_id: str, error: FetchTokenError | OSError) -> None:
        reason = str(error)
        if self._told.get(attempt_id) != reason:
            self._told[attempt_id] = reason
            _log.error(
                "not_settled", account=account, attempt=attempt_id, error=reason, hint="codex-broker check"
            )

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

    async def _late(self, attempt_id: str, entry: Entry) -> bool:
        """Keep what a left-over file brought, as of the login and generation that it was for.

        Returns:
            Whether the file is done with: it may go, or is gone.
        """
        if entry.phase in (Phase.HELD, Phase.UNREADABLE):
            return False
        now_s = self._shop.rules.clock()
        judged = judge_entry(entry, now_s=now_s)
        brought = None if judged is None else judged[1].tokens
        if judged is None or brought is None:
            await asyncio.to_thread(self._shop.journals.forget, attempt_id)
            return True
        intent = Journals.intent_of(entry)
        if intent is None:
            return False
        owner = self._shop.roster.account_by_id(intent.account)
        if owner is not None:
            sent = replace(owner, login_id=intent.login_id, generation=intent.generation)
            await self._settlement.settle(sent, attempt_id, Event.JOURNAL_ANSWER, judged[1])
            return True
        tokens = read_tokens(
            brought.access_token or Secret(""),
            brought.refresh_token,
            brought.id_token,
            now_s=now_s,
            jitter=0.0,
        )
        of = Sent(intent.account, intent.login_id, intent.generation)
        audit = AuditRecord(now_s, Action.ACCOUNT_ORPHAN)
        await keep_late(self._shop.store, of, attempt_id, tokens, audit)
        _log.warning("late_answer_kept_sealed", account="", attempt=attempt_id)
        await asyncio.to_thread(self._shop.journals.forget, attempt_id)
        return True
