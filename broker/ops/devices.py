"""Device logins at work: what the store knows of them, and what the roster must know at once."""

import os
from collections.abc import Callable

from broker.domain.apikey import ApiKey
from broker.domain.approval import Asked, Offer, Redeemed, Refusal, Wish
from broker.domain.device import DeviceRequest, Hashed, Pair, pair_of, verifier_of
from broker.domain.machine import MOST_LIVE
from broker.domain.records import AuditRecord, Client
from broker.domain.roster import Roster
from broker.refresh.highwater import HighWater
from broker.store.approval import approve_device, deny_device, look_at_device
from broker.store.devices import ask_device, find_device
from broker.store.machines import KEPT_ENDED
from broker.store.redeeming import redeem_code
from broker.store.store import Store
from fetchtoken.domain.secret import Secret

__all__ = ["Devices"]


class Devices:
    """Looks after device logins.

    Args:
        store: holds them.
        roster: gets the clients that approvals make, and the credentials that codes bring or end.
        marks: remembers outside the store that it went on, so that an older copy of it is noticed.
        clock: epoch seconds.
        random_bytes: a strong source.

    Every method may raise ``Unavailable``: the store does not answer.
    """

    def __init__(
        self,
        store: Store,
        roster: Roster,
        marks: HighWater,
        clock: Callable[[], float],
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._store = store
        self._roster = roster
        self._marks = marks
        self._clock = clock
        self._random_bytes = random_bytes

    async def ask(self, *, client_id: str, address: str, limited_by: str) -> Asked | None:
        """Make a request for a login; ``None`` where too many wait already."""
        return await ask_device(
            self._store,
            client_id=client_id,
            address=address,
            limited_by=limited_by,
            now_s=self._clock(),
            random_bytes=self._random_bytes,
        )

    async def find(self, device: Secret, user_code: Secret) -> DeviceRequest | None:
        """Return the request with these two secrets, or ``None``."""
        found = await find_device(self._store, Hashed.DEVICE, device)
        # By its row, not by what it says: it may be approved between the two questions.
        same = await find_device(self._store, Hashed.USER, user_code)
        return same if found is not None and same is not None and found.id == same.id else None

    async def of_code(self, code: Secret) -> DeviceRequest | None:
        """Return the request with this authorization code, whatever became of it, or ``None``."""
        return await find_device(self._store, Hashed.CODE, code)

    def pair(self, device: Secret) -> Pair:
        """Return the authorization code of a request, and its verifier: the same each time."""
        return pair_of(device, self._store.keys.device)

    def verifier(self, code: Secret) -> Secret:
        """Return the verifier that belongs to an authorization code."""
        return verifier_of(code, self._store.keys.device)

    async def client(self, row: int) -> Client | None:
        """Return a client that may have been made just now, by another process."""
        if self._roster.client_by_id(row) is None:
            # Only clients: whoever follows the store has more to do about accounts than to know them.
            for client in (await self._store.changes(self._roster.revision)).clients:
                self._roster.put_client(client)
        return self._roster.client_by_id(row)

    async def look(self, user_code: Secret, invite: ApiKey | None, audit: AuditRecord) -> Offer | Refusal:
        """See :func:`broker.store.approval.look_at_device`."""
        return await look_at_device(self._store, user_code, invite, audit, self._random_bytes)

    async def deny(self, ticket: Secret, audit: AuditRecord) -> Refusal | None:
        """See :func:`broker.store.approval.deny_device`."""
        return await deny_device(self._store, ticket, audit)

    async def approve(self, ticket: Secret, wish: Wish, audit: AuditRecord) -> Refusal | None:
        """See :func:`broker.store.approval.approve_device`; returns why nothing was approved."""
        done = await approve_device(self._store, ticket, wish, audit, self._random_bytes)
        if isinstance(done, Refusal):
            return done
        self._roster.put_client(done.client)
        await self._marks.reached(done.revision)
        return None

    async def redeem(self, code: Secret, key: ApiKey, audit: AuditRecord) -> Redeemed:
        """See :func:`broker.store.redeeming.redeem_code`."""
        done = await redeem_code(self._store, code, key, audit, at_most=MOST_LIVE)
        for machine in (*done.ended, *([done.made] if done.made else [])):
            self._roster.put_machine(machine)
            await self._marks.reached(machine.revision)
        if done.made is not None:
            self._roster.keep_ended(done.made.client, KEPT_ENDED, self._clock())
        return done
