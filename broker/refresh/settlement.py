"""Writing down what became of an attempt: store, then memory, then the journal file goes."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog

from broker.domain.account import Event, State
from broker.domain.audit import Action
from broker.domain.records import Account, AuditRecord, Tokens
from broker.domain.roster import Roster
from broker.domain.schedule import backoff_s
from broker.refresh.journals import Journals
from broker.refresh.outcomes import tokens_of
from broker.store.store import Store
from fetchtoken.domain.errors import FetchTokenError
from fetchtoken.oauth.outcome import Outcome

__all__ = ["Rules", "Settlement"]

_log = structlog.get_logger("broker.refresh")

_T = TypeVar("_T")

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What refreshing goes by. The clock and chance are the only sources of time and randomness."""

    part: float
    """Part of a token's life after which it is due."""
    parallel: int
    """Most exchanges at one time."""
    lease_s: float
    clock: Callable[[], float]
    """Epoch seconds."""
    chance: Callable[[], float]
    """From -1 to 1."""


class Settlement:
    """Persists outcomes; the answer waits in the journal for as long as the store does not take it."""

    def __init__(self, store: Store, roster: Roster, journals: Journals, rules: Rules) -> None:
        self._store = store
        self._roster = roster
        self._journals = journals
        self._rules = rules

    async def settle(
        self, account: Account, attempt_id: str, event: Event, outcome: Outcome
    ) -> Account | None:
        """Record an outcome, durably.

        Args:
            account: as it was when the attempt was armed.
            attempt_id: the attempt.
            event: what it came to.
            outcome: the answer behind the event.

        Returns:
            The account as it is now, or ``None`` where the event came too late to matter.
        """
        rules = self._rules
        now_s = rules.clock()
        tokens = tokens_of(account, outcome, now_s=now_s, jitter=rules.chance(), part=rules.part)
        if event in (Event.TOKENS, Event.JOURNAL_ANSWER) and tokens is not None:
            settled = await self._commit(account, attempt_id, event, tokens, now_s)
        else:
            settled = await self._without_tokens(account, attempt_id, event, outcome, now_s)
        if settled is not None:
            self._roster.put_account(settled)
        if settled is None or settled.state is not State.IN_DOUBT:
            # In doubt the file stays: it is what a replay must look at once more.
            await asyncio.to_thread(self._journals.forget, attempt_id)
        return settled

    async def _commit(
        self, account: Account, attempt_id: str, event: Event, tokens: Tokens, now_s: float
    ) -> Account | None:
        audit = AuditRecord(
            now_s, Action.ACCOUNT_ROTATED, account=account.name, detail=f"attempt {attempt_id}"
        )
        settled = await _persist(
            lambda: self._store.commit_tokens(account, attempt_id, event, tokens, audit), account.name
        )
        if settled is None:
            _log.warning("late_answer_kept_sealed", account=account.name, attempt=attempt_id)
        else:
            _log.info(
                "rotated", account=settled.name, generation=settled.generation, expires_at=settled.expires_at
            )
        return settled

    async def _without_tokens(
        self, account: Account, attempt_id: str, event: Event, outcome: Outcome, now_s: float
    ) -> Account | None:
        failures = account.failures + 1
        wait_s = backoff_s(failures, jitter=self._rules.chance(), retry_after_s=outcome.retry_after_s)
        audit = AuditRecord(
            now_s, Action.ACCOUNT_SETTLED, account=account.name, outcome=str(event), detail=outcome.detail
        )
        settled = await _persist(
            lambda: self._store.settle(
                account,
                attempt_id,
                event,
                not_before_s=now_s + wait_s,
                failures=failures,
                last_error=outcome.code,
                audit=audit,
            ),
            account.name,
        )
        _log.warning(
            "not_rotated",
            account=account.name,
            outcome=str(event),
            code=outcome.code,
            detail=outcome.detail,
            state=str(settled.state) if settled else "late",
        )
        return settled


async def _persist(write: Callable[[], Awaitable[_T]], account: str) -> _T:
    """Call until the store takes it. A crash meanwhile loses nothing: the journal has the answer."""
    pause_s = _FIRST_PAUSE_S
    while True:
        try:
            return await write()
        except (FetchTokenError, OSError) as error:
            _log.error("store_does_not_take_the_outcome", account=account, error=str(error))
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
