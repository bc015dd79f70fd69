"""Writing down what became of an attempt: store, then memory, then the journal file goes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from broker.domain.account import Event, State, step
from broker.domain.audit import Action
from broker.domain.records import Account, AuditRecord, Tokens
from broker.domain.schedule import backoff_s, servable
from broker.domain.trouble import refusal_word, suspect
from broker.refresh.outcomes import tokens_of
from broker.refresh.workshop import Workshop
from fetchtoken.domain.errors import FetchTokenError
from fetchtoken.oauth.outcome import Outcome

__all__ = ["Settlement"]

_log = structlog.get_logger("broker.refresh")

_T = TypeVar("_T")

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0


class Settlement:
    """Persists outcomes; the answer waits in the journal for as long as the store does not take it.

    Args:
        shop: what it works with.
        patient: try again until the store takes it. Who comes back to the journal anyway need not.
    """

    def __init__(self, shop: Workshop, *, patient: bool = True) -> None:
        self._shop = shop
        self._patient = patient

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

        Raises:
            FetchTokenError, OSError: the store did not take it, and this is not patient.
        """
        rules = self._shop.rules
        now_s = rules.clock()
        tokens = tokens_of(account, outcome, now_s=now_s, jitter=rules.chance(), part=rules.part)
        if event in (Event.TOKENS, Event.JOURNAL_ANSWER) and tokens is not None:
            settled = await self._commit(account, attempt_id, event, tokens, now_s)
            is_over = settled is None or settled.attempt_id != attempt_id
        else:
            settled = await self._without_tokens(account, attempt_id, event, outcome, now_s)
            # The row may be in doubt about this very attempt, by a hand that was faster.
            is_over = settled is not None and settled.attempt_id != attempt_id
        if settled is not None:
            self._shop.roster.put_account(settled)
            # After the row and before the journal file goes: whatever is put back, one of them tells.
            await self._shop.marks.keep(settled)
        if is_over:
            # In doubt the file stays: it is what a replay must look at once more.
            await asyncio.to_thread(self._shop.journals.forget, attempt_id)
        return settled

    async def _commit(
        self, account: Account, attempt_id: str, event: Event, tokens: Tokens, now_s: float
    ) -> Account | None:
        audit = AuditRecord(
            now_s, Action.ACCOUNT_ROTATED, account=account.name, detail=f"attempt {attempt_id}"
        )
        settled = await self._persist(
            lambda: self._shop.store.commit_tokens(account, attempt_id, event, tokens, audit), account.name
        )
        if settled is None:
            _log.warning("late_answer_kept_sealed", account=account.name, attempt=attempt_id)
        else:
            self._shop.adopted.follow(settled, now_s)
            _log.info(
                "rotated", account=settled.name, generation=settled.generation, expires_at=settled.expires_at
            )
            if event is Event.TOKENS and not servable(settled.expires_at, now_s):
                _log.error(
                    "answer_already_expired",
                    account=settled.name,
                    expires_at=settled.expires_at,
                    hint="compare this machine's clock with the issuer's",
                )
        return settled

    async def _without_tokens(
        self, account: Account, attempt_id: str, event: Event, outcome: Outcome, now_s: float
    ) -> Account | None:
        failures = account.failures + 1
        wait_s = backoff_s(failures, jitter=self._shop.rules.chance(), retry_after_s=outcome.retry_after_s)
        action, last_error = _word(account, event, outcome)
        audit = AuditRecord(now_s, action, account=account.name, outcome=str(event), detail=outcome.detail)
        settled = await self._persist(
            lambda: self._shop.store.settle(
                account,
                attempt_id,
                event,
                not_before_s=now_s + wait_s,
                failures=failures,
                last_error=last_error,
                audit=audit,
            ),
            account.name,
        )
        if settled is not None and action is not Action.ACCOUNT_SETTLED:
            who = "this broker" if action is Action.ACCOUNT_LOST else suspect(settled)
            _log.warning(str(action), account=account.name, code=outcome.code, suspect=who)
        _log.warning(
            "not_rotated",
            account=account.name,
            outcome=str(event),
            code=outcome.code,
            detail=outcome.detail,
            state=str(settled.state) if settled else "late",
        )
        return settled

    async def _persist(self, write: Callable[[], Awaitable[_T]], account: str) -> _T:
        """Call until the store takes it. A crash meanwhile loses nothing: the journal has the answer."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                return await write()
            except (FetchTokenError, OSError) as error:
                if not self._patient:
                    raise
                _log.error("store_does_not_take_the_outcome", account=account, error=str(error))
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)


def _word(account: Account, event: Event, outcome: Outcome) -> tuple[Action, str]:
    """Return what the trail and the row say: another holder's doing, our own loss, or neither."""
    if event is not Event.REFUSED or account.state not in (State.REFRESHING, State.REPLAYING):
        return Action.ACCOUNT_SETTLED, outcome.code
    lost = step(account.state, event).lost
    word = refusal_word(outcome.code, lost=lost)
    if lost:
        return Action.ACCOUNT_LOST, word
    return (Action.ACCOUNT_SETTLED if word == outcome.code else Action.ACCOUNT_OTHER_HOLDER), word
