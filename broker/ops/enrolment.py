"""Enrolment: from a code to a client that is known at once, and whose code never comes back to life."""

from broker.domain.apikey import ApiKey
from broker.domain.records import AuditRecord
from broker.domain.roster import Roster
from broker.refresh.highwater import HighWater
from broker.store.enrolment import redeem
from broker.store.invites import Joined
from broker.store.store import Store
from fetchtoken.domain.secret import Secret

__all__ = ["Enrolment"]


class Enrolment:
    """Redeems invite codes.

    Args:
        store: holds them.
        roster: gets the new client.
        marks: remembers outside the store that it went on, so that an older copy of it is noticed.
    """

    def __init__(self, store: Store, roster: Roster, marks: HighWater) -> None:
        self._store = store
        self._roster = roster
        self._marks = marks

    async def redeem(self, code: ApiKey, nonce: Secret, audit: AuditRecord) -> Joined | None:
        """Return what a code brought, or ``None`` where it does not count.

        Raises:
            ConfigError: it makes no client, but approves device logins.
            Unavailable: the store does not answer; nothing was done, or what was done is told again.
        """
        joined = await redeem(self._store, code, nonce, audit)
        if joined is not None:
            self._roster.put_client(joined.client)
            await self._marks.reached(joined.client.revision)
        return joined
