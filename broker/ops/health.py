"""What is wrong with the daemon itself; the issuer is never part of it."""

import asyncio

import structlog

from broker.domain.roster import Roster
from broker.ops.secondlife import SecondLife
from broker.refresh.coordinator import Coordinator
from broker.refresh.journals import Journals
from broker.store.audit_writer import AuditWriter

__all__ = ["Health"]

_log = structlog.get_logger("broker.health")

_LOOKS_BETWEEN_PROBES = 20
"""The journal is probed by writing to it, so not at every look."""


class Health:
    """Keeps the answer that ``/readyz`` gives without waiting.

    Args:
        roster: an account in it whose boxes do not open is trouble with the seal.
        coordinator: knows whether the last attempt file could be made.
        journals: where attempt files are made.
        audit: the trail.
        life: what the home remembers of itself beside the store.
    """

    def __init__(
        self,
        roster: Roster,
        coordinator: Coordinator,
        journals: Journals,
        audit: AuditWriter,
        life: SecondLife,
    ) -> None:
        self._roster = roster
        self._coordinator = coordinator
        self._journals = journals
        self._audit = audit
        self._life = life
        self._store_error = ""
        self._journal_error = ""
        self._looks = 0
        self._told: tuple[str, ...] = ()

    def troubles(self) -> tuple[str, ...]:
        """Return which of ``store``, ``seal``, ``journal``, ``audit``, ``home`` do not work; never blocks."""
        found = {
            "store": bool(self._store_error),
            "seal": bool(self._roster.sealed()),
            "journal": bool(self._journal_error or self._coordinator.journal_error),
            "audit": not self._audit.healthy,
            "home": bool(self._life.error),
        }
        return tuple(name for name, wrong in found.items() if wrong)

    def store_works(self) -> None:
        """Note that the store answered."""
        self._store_error = ""

    def store_fails(self, reason: str) -> None:
        """Note that the store did not answer."""
        self._store_error = reason

    async def look(self) -> None:
        """Look at what nobody reports by himself, and log what changed."""
        if self._looks % _LOOKS_BETWEEN_PROBES == 0:
            try:
                await asyncio.to_thread(self._journals.check)
            except OSError as error:
                self._journal_error = error.strerror or str(error)
            else:
                self._journal_error = self._coordinator.journal_error = ""
            await self._life.mend()
        self._looks += 1
        now = self.troubles()
        if now != self._told:
            _log.error("trouble" if now else "well_again", parts=now, store=self._store_error)
            self._told = now
