"""Single flight: however many ask, one exchange per rotation, carried out by nobody who could go away."""

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from uuid import uuid4

import structlog

from broker.domain.account import Event, State
from broker.domain.audit import Action
from broker.domain.records import Account, AuditRecord
from broker.domain.roster import Roster
from broker.domain.schedule import Phase, phase, servable
from broker.refresh.journals import Journals
from broker.refresh.outcomes import event_of, judge_entry
from broker.refresh.process import ExchangeProcess
from broker.refresh.settlement import Rules, Settlement
from broker.refresh.threads import in_daemon_thread
from broker.store.store import Store
from fetchtoken.domain.errors import LoginRequired, NotFound, Unavailable
from fetchtoken.oauth.outcome import Kind, Outcome

__all__ = ["Coordinator"]

_log = structlog.get_logger("broker.refresh")


class Coordinator:
    """Owns every exchange of this daemon. A flight is a task of the coordinator, never of a caller.

    Args:
        store: where intents and outcomes become durable.
        roster: the accounts in memory.
        journals: the attempt files.
        rules: part of the life, parallelism, lease, clock and chance.
        environ: what exchange processes may inherit from.
    """

    def __init__(
        self,
        store: Store,
        roster: Roster,
        journals: Journals,
        rules: Rules,
        *,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._store = store
        self._roster = roster
        self._journals = journals
        self._rules = rules
        self._environ = environ
        self._settlement = Settlement(store, roster, journals, rules)
        self._flights: dict[int, asyncio.Task[Account]] = {}
        self._slots = asyncio.Semaphore(rules.parallel)
        self._closing = False
        self.journal_error = ""
        """Why the last attempt file could not be made; empty while they can."""

    @property
    def flying(self) -> frozenset[int]:
        """Row ids of the accounts that an attempt of this daemon is under way for."""
        return frozenset(self._flights)

    async def ensure(self, account: int, *, reason: str) -> Account:
        """Return the account with a servable token, exchanging or joining a flight where needed.

        Cancelling the caller ends its waiting, never the exchange.

        Args:
            account: row id.
            reason: why, for the log.

        Raises:
            LoginRequired: the issuer refused the login.
            Unavailable: it cannot be renewed now.
            NotFound: there is no such account.
        """
        held = self._known(account)
        if account not in self._flights and servable(held.expires_at, self._rules.clock()):
            return held
        flown = await asyncio.shield(self.start(held, reason=reason))
        if not servable(flown.expires_at, self._rules.clock()):
            raise _explain(flown)
        return flown

    async def refresh(self, account: int, *, force: bool) -> Account:
        """Exchange now: where the account is stale, or whatever its age with ``force``.

        Raises:
            LoginRequired: the login is refused, access only, or a person is needed.
            Unavailable: an attempt is in flight or in doubt, or the exchange did not succeed.
            NotFound: there is no such account.
        """
        held = self._known(account)
        if not force and phase(held.expires_at, held.refresh_after, self._rules.clock()) is Phase.FRESH:
            return held
        if account in self._flights or held.state is not State.ACTIVE:
            raise _explain(held)
        flown = await asyncio.shield(self.start(held, reason="forced" if force else "scheduled", now=force))
        if flown.state is not State.ACTIVE or flown.generation == held.generation:
            raise _explain(flown)
        return flown

    def start(self, account: Account, *, reason: str, now: bool = False) -> asyncio.Task[Account]:
        """Return the flight for an account: the one under way, or a new one.

        Args:
            account: as the roster holds it.
            reason: ``scheduled``, ``forced`` or another word for the log.
            now: do not wait for the end of a back-off.
        """
        flight = self._flights.get(account.id)
        if flight is None:
            flight = asyncio.create_task(
                self._fly(account.id, reason, now=now), name=f"exchange {account.name}"
            )
            self._flights[account.id] = flight
            flight.add_done_callback(lambda done: self._landed(account.id, done))
        return flight

    async def close(self, *, within_s: float) -> bool:
        """Begin nothing more and wait for what is under way.

        Args:
            within_s: most seconds to wait. What is still flying then goes on in its own process, and
                the next start finds its answer in the journal.

        Returns:
            Whether everything landed.
        """
        self._closing = True
        flights = list(self._flights.values())
        if flights:
            await asyncio.wait(flights, timeout=within_s)
        return not self._flights

    def _landed(self, account: int, flight: asyncio.Task[Account]) -> None:
        self._flights.pop(account, None)
        if not flight.cancelled() and (error := flight.exception()) is not None:
            _log.warning("flight_failed", account=account, error=str(error), kind=type(error).__name__)

    def _known(self, account: int) -> Account:
        held = self._roster.account_by_id(account)
        if held is None:
            raise NotFound("the account does not exist any more")
        return held

    async def _fly(self, account_id: int, reason: str, *, now: bool) -> Account:
        async with self._slots:
            account = self._known(account_id)
            self._check(account, now=now)
            attempt_id = uuid4().hex
            armed, process = await self._arm(account, attempt_id, reason)
            return await self._carry_out(armed, attempt_id, process)

    def _check(self, account: Account, *, now: bool) -> None:
        """Raise where nothing may be sent for this account."""
        if self._closing:
            raise Unavailable("the broker is stopping", hint="try again in a minute")
        if account.state is not State.ACTIVE or account.adopting or not account.refresh_token:
            raise _explain(account)
        if not now and account.not_before_s > self._rules.clock():
            raise _explain(account)

    async def _arm(self, account: Account, attempt_id: str, reason: str) -> tuple[Account, ExchangeProcess]:
        """Make journal file and intent durable; nothing is sent before both are."""
        try:
            fd = await asyncio.to_thread(self._journals.begin, attempt_id, account)
        except OSError as error:
            self.journal_error = error.strerror or str(error)
            raise Unavailable(
                f"the journal cannot be written: {self.journal_error}", hint="codex-broker check"
            ) from None
        self.journal_error = ""
        try:
            armed = await self._store.arm(
                account,
                to=State.REFRESHING,
                attempt_id=attempt_id,
                journal_id=self._journals.journal_id,
                lease_s=self._rules.lease_s,
                audit=AuditRecord(
                    self._rules.clock(),
                    Action.ACCOUNT_ATTEMPT,
                    account=account.name,
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
            await asyncio.to_thread(self._journals.forget, attempt_id)
            raise Unavailable(f"another process is refreshing {account.name}", hint="try again in a minute")
        self._roster.put_account(armed)
        process = ExchangeProcess(
            armed,
            attempt_id=attempt_id,
            journal_path=self._journals.path(attempt_id),
            journal_fd=fd,
            key=self._journals.key(),
            environ=self._environ,
            reason=reason if reason == "forced" else "scheduled",
        )
        return armed, process

    async def _carry_out(self, armed: Account, attempt_id: str, process: ExchangeProcess) -> Account:
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
                event, outcome = event_of(answer, now_s=self._rules.clock())
        settled = await self._settlement.settle(armed, attempt_id, event, outcome)
        if not journaled:
            with suppress(OSError):
                await in_daemon_thread(process.acknowledge)
        return settled or self._known(armed.id)

    async def _post_mortem(self, attempt_id: str) -> tuple[Event, Outcome]:
        """Judge by the journal what a process that was killed had done."""
        entry = await asyncio.to_thread(self._journals.look, attempt_id)
        judged = judge_entry(entry, now_s=self._rules.clock())
        if judged is None:
            return Event.UNKNOWN, Outcome(
                Kind.UNKNOWN, "held", "the exchange process closed its report and lives on"
            )
        return judged


def _explain(account: Account) -> Unavailable | LoginRequired:
    """Return the error that says why an account has no new token."""
    name, state = account.name, account.state
    if state is State.LOGIN_REQUIRED:
        return LoginRequired(
            f"{name}: the issuer refused its login ({account.last_error})",
            hint="log in again with codex login, then codex-broker account adopt",
            code="login_required",
        )
    if state is State.ACTIVE and not account.refresh_token:
        return LoginRequired(
            f"{name} is access only: it has no refresh token", hint="codex-broker account adopt"
        )
    if state is State.IN_DOUBT:
        return Unavailable(
            f"{name} is in doubt: its refresh token was sent and no answer came",
            hint="log in again with codex login, then codex-broker account adopt",
        )
    if state in (State.REFRESHING, State.REPLAYING):
        return Unavailable(f"{name}: an exchange is in flight", hint="try again in a minute")
    if account.adopting:
        return Unavailable(
            f"{name} is being adopted", hint="run codex-broker account adopt again to finish it"
        )
    return Unavailable(
        f"{name} could not be refreshed ({account.last_error or 'the issuer was not asked'})",
        hint=f"try again later; codex-broker account show {name} tells how it is",
    )
