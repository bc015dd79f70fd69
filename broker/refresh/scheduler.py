"""What is due when. The cost grows with what is due, not with what is held."""

import asyncio
import heapq
from collections.abc import Iterable

import structlog

from broker.domain.account import State
from broker.domain.records import Account
from broker.domain.replay import by_itself_from
from broker.domain.schedule import due_from, waits_until
from broker.refresh.coordinator import Coordinator
from broker.refresh.doubts import Doubts
from broker.refresh.recovery import Recovery
from broker.refresh.replay import By
from broker.refresh.workshop import Workshop

__all__ = ["Scheduler"]

_log = structlog.get_logger("broker.refresh")

_LOOK_EVERY_S = 1.0
_LONGEST_PAUSE_S = 10.0
"""A pause goes by a clock that stands still while the machine sleeps, and that nobody can set."""

_SET_BACK_S = 60.0
"""A clock that is set back further was wrong, and so may be what was noted by it."""

_AGAIN_S = 5.0
"""When an attempt could not even begin (a full disk, a store that is down)."""


class Scheduler:
    """Starts a flight for each account when its token becomes stale.

    Entries are never removed from the heap: one whose account has changed since (another
    ``revision``) is dropped when its time comes.
    """

    def __init__(self, shop: Workshop, coordinator: Coordinator, recovery: Recovery) -> None:
        self._shop = shop
        self._coordinator = coordinator
        self._recovery = recovery
        self._doubts = Doubts(shop)
        self._heap: list[tuple[float, int, int]] = []
        self._wake = asyncio.Event()
        self._ahead_s = float("-inf")

    def take(self, accounts: Iterable[Account]) -> None:
        """Note when new or changed accounts are due."""
        for account in accounts:
            due_s = self._due_at(account)
            if due_s is not None:
                heapq.heappush(self._heap, (due_s, account.id, account.revision))
        self._wake.set()

    async def run(self) -> None:
        """Serve the heap until cancelled."""
        for account in self._shop.roster.accounts():
            # A crash may have come between a rotation and its file.
            self._shop.adopted.follow(account, self._shop.rules.clock())
        while True:
            self._wake.clear()
            self._judge_clock()
            for account in self._due():
                self._launch(account)
            if self._recovery.outstanding():
                self._doubts.look()
                try:
                    await self._recovery.look()
                except Exception as error:  # noqa: BLE001 - the store may be down; the next look is a second away
                    _log.error("recovery_failed", error=type(error).__name__)
            try:
                await asyncio.wait_for(self._wake.wait(), self._pause_s())
            except TimeoutError:
                continue

    def _judge_clock(self) -> None:
        """Note all accounts anew after the clock was set back."""
        ahead_s = self._shop.rules.clock() - asyncio.get_running_loop().time()
        if ahead_s < self._ahead_s - _SET_BACK_S:
            self._heap.clear()
            self.take(self._shop.roster.accounts())
        self._ahead_s = ahead_s

    def _due_at(self, account: Account) -> float | None:
        """Return from when an account may be sent without a person; ``None`` where it never may."""
        now_s = self._shop.rules.clock()
        if account.state is State.IN_DOUBT:
            return by_itself_from(account, self._shop.journals.journal_id, now_s)
        if account.state is not State.ACTIVE or account.adopting or account.restored:
            return None
        if not account.refresh_token:
            return None
        due_s = due_from(account.refresh_after, account.expires_at, now_s)
        return max(due_s, waits_until(account.not_before_s, now_s))

    def _due(self) -> list[Account]:
        """Take from the heap what is due now, leaving out what has changed since."""
        now_s = self._shop.rules.clock()
        found = []
        while self._heap and self._heap[0][0] <= now_s:
            _, account_id, revision = heapq.heappop(self._heap)
            account = self._shop.roster.account_by_id(account_id)
            if account is not None and account.revision == revision and not account.disabled:
                found.append(account)
        return found

    def _launch(self, account: Account) -> None:
        def landed(flight: asyncio.Task[Account]) -> None:
            if not flight.cancelled() and flight.exception() is not None:
                # The row has not changed, so nothing else will bring the account back into the heap.
                again_s = self._shop.rules.clock() + _AGAIN_S
                heapq.heappush(self._heap, (again_s, account.id, account.revision))
                self._wake.set()

        if account.state is State.IN_DOUBT:
            flight = self._coordinator.start_replay(account, By.ITSELF)
        else:
            flight = self._coordinator.start(account, reason="scheduled")
        flight.add_done_callback(landed)

    def _pause_s(self) -> float:
        if self._recovery.outstanding():
            return _LOOK_EVERY_S
        if not self._heap:
            return _LONGEST_PAUSE_S
        return min(max(self._heap[0][0] - self._shop.rules.clock(), 0.0), _LONGEST_PAUSE_S)
