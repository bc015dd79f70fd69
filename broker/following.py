"""What the daemon follows twice a second: the store, the certificate's files, its own health."""

import asyncio
from contextlib import suppress

from broker.app import Parts
from broker.ops.health import Health
from broker.ops.notify import Manager
from broker.refresh.scheduler import Scheduler
from fetchtoken.domain.errors import FetchTokenError

__all__ = ["Follower"]

_FOLLOW_EVERY_S = 0.5
"""How often the store is asked for changes by others: in force within one second, with room to spare."""


class Follower:
    """Takes in what anybody changed, looks whether the daemon is well, and tells the service manager.

    Args:
        parts: the daemon's.
        scheduler: is told of changed accounts.
        health: what is wrong, as ``/readyz`` says it.
        manager: hears of it. Its watchdog is fed by nothing but a look that the store has answered.
        url: where the daemon serves.
    """

    def __init__(
        self, parts: Parts, scheduler: Scheduler, health: Health, manager: Manager, url: str
    ) -> None:
        self._parts = parts
        self._scheduler = scheduler
        self._health = health
        self._manager = manager
        self._url = url

    def begin(self) -> None:
        """Say that clients can connect."""
        self._manager.ready(self._status())

    def reload(self) -> None:
        """Look at the certificate's files now."""
        self._manager.reloading()
        self._look_at_tls()
        self._manager.ready(self._status())

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            self._look_at_tls()
            if await self._take_in():
                self._manager.alive()
            await self._health.look()
            self._manager.status(self._status())
            await asyncio.sleep(_FOLLOW_EVERY_S)

    def end(self) -> None:
        """Say that nothing new begins."""
        self._manager.stopping()

    async def _take_in(self) -> bool:
        """Take in what others changed in the store; tell whether it answered."""
        parts = self._parts
        try:
            await parts.life.look()
            changes = await parts.store.changes(parts.roster.revision)
            self._health.store_works()
        except FetchTokenError as error:
            self._health.store_fails(error.message)
            return False
        parts.roster.apply(changes)
        if changes.accounts:
            self._scheduler.take(changes.accounts)
        with suppress(FetchTokenError):
            # A store that cannot be written must not keep a revocation out; the next look tries again.
            await parts.machinery.keep()
        return True

    def _look_at_tls(self) -> None:
        if self._parts.tls is not None:
            self._parts.tls.look()

    def _status(self) -> str:
        troubles = self._health.troubles()
        number = len(self._parts.roster.accounts())
        accounts = "1 account" if number == 1 else f"{number} accounts"
        return f"{self._url}, {accounts}" + (f", trouble with {', '.join(troubles)}" if troubles else "")
