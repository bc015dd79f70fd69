"""One attempt from its journal file to its settlement; the same steps for a first sending and a replay."""

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from uuid import uuid4

from broker.domain.account import Event, State
from broker.domain.audit import Action
from broker.domain.records import Account, AuditRecord
from broker.refresh.outcomes import event_of, judge_entry
from broker.refresh.process import ExchangeProcess
from broker.refresh.settlement import Settlement
from broker.refresh.threads import in_daemon_thread
from broker.refresh.workshop import Workshop
from fetchtoken.domain.errors import Unavailable
from fetchtoken.oauth.outcome import Kind, Outcome

__all__ = ["Sender"]


class Sender:
    """Sends refresh tokens, each attempt in a process of its own.

    Args:
        shop: what it works with.
        environ: what exchange processes may inherit from.
    """

    def __init__(self, shop: Workshop, environ: Mapping[str, str]) -> None:
        self._shop = shop
        self._environ = environ
        self._settlement = Settlement(shop)
        self.journal_error = ""
        """Why the last attempt file could not be made; empty while they can."""

    async def send(self, account: Account, to: State, reason: str, *, peer: str = "") -> Account | None:
        """Carry out one attempt.

        Args:
            account: as it was looked at.
            to: ``REFRESHING``, or ``REPLAYING`` from in doubt.
            reason: for the audit record; ``forced`` is also told to the issuer.
            peer: who ordered it, for the audit record.

        Returns:
            The account as it was settled; ``None`` where the outcome came too late to matter.

        Raises:
            Unavailable: nothing was sent: no journal, or somebody else has the account.
        """
        attempt_id = uuid4().hex
        armed, process = await self._arm(account, attempt_id, to, reason, peer)
        return await self._carry_out(armed, attempt_id, process)

    async def _arm(
        self, account: Account, attempt_id: str, to: State, reason: str, peer: str
    ) -> tuple[Account, ExchangeProcess]:
        """Make journal file and intent durable; nothing is sent before both are."""
        shop = self._shop
        try:
            await shop.marks.mend()
        except OSError as error:
            raise _unmarked(error) from None
        try:
            fd, key = await asyncio.to_thread(shop.journals.begin, attempt_id, account)
        except OSError as error:
            self.journal_error = error.strerror or str(error)
            raise Unavailable(
                f"the journal cannot be written: {self.journal_error}", hint="codex-broker check"
            ) from None
        self.journal_error = ""
        action = Action.ACCOUNT_REPLAY if to is State.REPLAYING else Action.ACCOUNT_ATTEMPT
        try:
            armed = await shop.store.arm(
                account,
                to=to,
                attempt_id=attempt_id,
                journal_id=shop.journals.journal_id,
                lease_s=shop.rules.lease_s,
                audit=AuditRecord(
                    shop.rules.clock(),
                    action,
                    account=account.name,
                    peer=peer,
                    detail=f"attempt {attempt_id}, {reason}",
                ),
            )
        except BaseException:
            # The intent may have been committed all the same. The file stays, says that nothing was
            # sent, and recovery settles the row by it.
            os.close(fd)
            raise
        if armed is None:
            os.close(fd)
            await asyncio.to_thread(shop.journals.forget, attempt_id)
            raise Unavailable(f"another process is refreshing {account.name}", hint="try again in a minute")
        shop.roster.put_account(armed)
        await self._mark(armed, attempt_id, fd)
        process = ExchangeProcess(
            armed,
            attempt_id=attempt_id,
            journal_path=shop.journals.path(attempt_id),
            journal_fd=fd,
            key=key,
            environ=self._environ,
            reason=reason if reason == "forced" else "scheduled",
        )
        return armed, process

    async def _mark(self, armed: Account, attempt_id: str, fd: int) -> None:
        """Let the home know, beside the store, that this generation is about to be sent.

        Without that, a store put back from just before would send it again.
        """
        try:
            await self._shop.marks.note(armed)
        except OSError as error:
            os.close(fd)
            refusal = _unmarked(error)
            outcome = Outcome(Kind.NOT_SENT, "no_high_water", refusal.message)
            await self._settlement.settle(armed, attempt_id, Event.NOT_SENT, outcome)
            raise refusal from None
        except BaseException:
            os.close(fd)
            raise

    async def _carry_out(self, armed: Account, attempt_id: str, process: ExchangeProcess) -> Account | None:
        journaled = True
        try:
            report = await in_daemon_thread(process.run)
        except OSError as error:
            event, outcome = Event.NOT_SENT, Outcome(Kind.NOT_SENT, "not_started", str(error.strerror))
        else:
            if report is None:
                event, outcome = await self._post_mortem(attempt_id)
            else:
                answer, journaled = report
                event, outcome = event_of(answer, now_s=self._shop.rules.clock())
        settled = await self._settlement.settle(armed, attempt_id, event, outcome)
        if not journaled:
            with suppress(OSError):
                await in_daemon_thread(process.acknowledge)
        return settled

    async def _post_mortem(self, attempt_id: str) -> tuple[Event, Outcome]:
        """Judge by the journal what a process that was killed had done."""
        entry = await asyncio.to_thread(self._shop.journals.look, attempt_id)
        judged = judge_entry(entry, now_s=self._shop.rules.clock())
        if judged is None:
            return Event.UNKNOWN, Outcome(
                Kind.UNKNOWN, "held", "the exchange process closed its report and lives on"
            )
        return judged


def _unmarked(error: OSError) -> Unavailable:
    reason = error.strerror or str(error)
    return Unavailable(
        f"the high-water mark cannot be written: {reason}; nothing was sent", hint="codex-broker check"
    )
