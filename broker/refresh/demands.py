"""What machines demand that say their token was refused: checked once for all, exchanged once at most."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog

from broker.domain.machine import Demand, Generation, History, may_exchange, recovery
from broker.domain.records import Account, Machine
from broker.domain.roster import Roster
from broker.refresh.coordinator import Coordinator
from fetchtoken.domain.errors import FetchTokenError

__all__ = ["Demands", "IsRefused"]

IsRefused = Callable[[Account], Awaitable[bool]]
"""Tells whether the backend refuses an account's token."""

_log = structlog.get_logger("broker.refresh")


class Demands:
    """Remembers what each machine got last, and what was done for each account.

    Nothing of it is durable: a broker that has just started asks the backend once more, and the
    account's own row keeps it from exchanging twice in ten minutes.

    Args:
        roster: accounts and machine credentials.
        coordinator: exchanges.
        is_refused: asks the backend.
        clock: epoch seconds.
        ticks: seconds on a clock that does not go back.
    """

    def __init__(
        self,
        roster: Roster,
        coordinator: Coordinator,
        is_refused: IsRefused,
        *,
        clock: Callable[[], float],
        ticks: Callable[[], float],
    ) -> None:
        self._roster = roster
        self._coordinator = coordinator
        self._is_refused = is_refused
        self._clock = clock
        self._ticks = ticks
        self._served: dict[int, Generation] = {}
        self._histories: dict[int, History] = {}
        self._checks: dict[int, asyncio.Task[None]] = {}

    def served(self, machine: Machine, account: Account) -> None:
        """Note which token a machine got."""
        if machine.id not in self._served:
            self._forget_removed()
        self._served[machine.id] = _generation(account)

    async def recovered(self, machine: Machine, account: Account) -> Account:
        """Return the account with the token to answer a machine that says its own was refused.

        However many ask at once, there is one check, and one exchange at most. Cancelling the caller ends
        its waiting only.
        """
        served = self._served.get(machine.id)
        history = self._histories.get(account.id, History())
        if account.id not in self._checks:
            if recovery(_generation(account), served, history, self._ticks()) is Demand.HELD:
                return account
            check = asyncio.create_task(self._check(account), name=f"check {account.name}")
            self._checks[account.id] = check
            check.add_done_callback(lambda _: self._checks.pop(account.id, None))
        await asyncio.shield(self._checks[account.id])
        return self._roster.account_by_id(account.id) or account

    async def _check(self, account: Account) -> None:
        held = _generation(account)
        history = self._histories.get(account.id, History())
        history = replace(history, checked=held, checked_s=self._ticks())
        self._histories[account.id] = history
        if not await self._is_refused(account):
            return
        now = self._roster.account_by_id(account.id)
        if now is None or _generation(now) != held:  # a rotation came meanwhile: that is the answer
            return
        began_s = self._ticks()
        if not may_exchange(held, history, began_s, issued_at=account.issued_at, now_s=self._clock()):
            _log.warning("token_refused_again", account=account.name, generation=account.generation)
            return
        self._histories[account.id] = replace(history, demanded=held, demanded_s=began_s)
        _log.warning("token_refused", account=account.name, generation=account.generation)
        try:
            # Not forced: a back-off and an account that waits for a person are respected.
            await asyncio.shield(self._coordinator.start(account, reason="unauthorized_recovery"))
        except FetchTokenError as error:
            _log.warning("not_exchanged_on_demand", account=account.name, reason=error.message)

    def _forget_removed(self) -> None:
        """Keep no more than what still exists; called when a machine is seen first."""
        roster = self._roster
        if len(self._served) > 2 * roster.machine_count:
            self._served = {
                key: held for key, held in self._served.items() if roster.machine(key) is not None
            }
        if len(self._histories) > 2 * len(roster.accounts()):
            known = {account.id for account in roster.accounts()}
            self._histories = {key: held for key, held in self._histories.items() if key in known}


def _generation(account: Account) -> Generation:
    return (account.login_id, account.generation)
