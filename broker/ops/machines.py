"""Machine credentials at work: how they come, what they demand, when they were used, and their end."""

from collections.abc import Callable

from broker.domain.apikey import ApiKey
from broker.domain.audit import Action
from broker.domain.machine import MOST_LIVE
from broker.domain.records import Account, AuditRecord, Machine
from broker.domain.roster import Roster
from broker.refresh.demands import Demands
from broker.refresh.highwater import HighWater
from broker.store.machines import KEPT_ENDED, machines_used, replace_machine, revoke_machines
from broker.store.store import Store

__all__ = ["Machinery"]


class Machinery:
    """Looks after machine credentials.

    Args:
        store: holds them.
        roster: is told of those that come and end.
        demands: looks into refused tokens.
        marks: remembers outside the store that it went on, so that an older copy of it is noticed.
        clock: epoch seconds.
    """

    def __init__(
        self, store: Store, roster: Roster, demands: Demands, marks: HighWater, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._roster = roster
        self._demands = demands
        self._marks = marks
        self._clock = clock
        self._used: dict[int, float] = {}

    async def recovered(self, machine: Machine, account: Account) -> None:
        """See :meth:`broker.refresh.demands.Demands.recovered`."""
        await self._demands.recovered(machine, account)

    def served(self, machine: Machine, account: Account, now_s: float) -> None:
        """Note which token a machine got, and when; the time is written by :meth:`keep`."""
        self._demands.served(machine, account)
        self._used[machine.id] = now_s

    async def replace(  # noqa: PLR0913 - a record; its fields are named at the call
        self,
        key: ApiKey,
        audit: AuditRecord,
        *,
        client: int,
        account: int,
        name: str,
        expires_at: float | None,
        from_key: str | None = None,
    ) -> Machine:
        """Make a credential in the place of those that the client has by the same name.

        See :func:`broker.store.machines.replace_machine`; it counts from now on, and they do not.
        """
        made, ended = await replace_machine(
            self._store,
            key,
            audit,
            client=client,
            account=account,
            name=name,
            expires_at=expires_at,
            at_most=MOST_LIVE,
            from_key=from_key,
        )
        for machine in (*ended, made):
            self._roster.put_machine(machine)
        self._roster.keep_ended(client, KEPT_ENDED, self._clock())
        await self._marks.reached(made.revision)
        return made

    async def keep(self) -> None:
        """Write the times of use that are not written yet.

        Raises:
            Unavailable: the store does not answer; the next call tries again.
        """
        used, self._used = self._used, {}
        if not used:
            return
        try:
            await machines_used(self._store, used)
        except BaseException:
            self._used = used | self._used
            raise

    async def revoke(self, machine: Machine, *, peer: str, request_id: str) -> None:
        """Revoke a credential by its holder's own word.

        Raises:
            Unavailable: the store does not answer.
        """
        client = self._roster.client_by_id(machine.client)
        record = AuditRecord(
            at=self._clock(),
            action=Action.MACHINE_REVOKED,
            client="" if client is None else client.name,
            peer=peer,
            request_id=request_id,
            detail=f"machine {machine.id} {machine.name}, by itself",
        )
        for revoked in await revoke_machines(self._store, {machine.id}, record):
            self._roster.put_machine(revoked)
            await self._marks.reached(revoked.revision)
