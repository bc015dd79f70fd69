"""What happens to machine credentials, each one transaction: made, revoked, seen in use."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from sqlalchemy import bindparam, select, update

from broker.domain.apikey import ApiKey, hash_key
from broker.domain.records import AuditRecord, Machine
from broker.store.rows import machine_from_row
from broker.store.store import Store
from broker.store.tables import accounts, clients, machines
from fetchtoken.domain.errors import NotFound

__all__ = ["add_machine", "last_uses", "machines_used", "revoke_machines"]

# The functions of this module are of the same class as the store's methods, apart for its size.


async def add_machine(  # noqa: PLR0913 - a record; its fields are named at the call
    store: Store,
    key: ApiKey,
    audit: AuditRecord,
    *,
    client: int,
    account: int,
    name: str,
    expires_at: float | None = None,
) -> Machine:
    """Store a credential with its keyed hash.

    Args:
        store: the store.
        key: a new one (:func:`broker.domain.apikey.new_key`); its text is not stored.
        audit: the record.
        client: row id of the client that it belongs to.
        account: row id of the account whose token it brings.
        name: what people call the machine.
        expires_at: epoch seconds, or ``None`` for as long as its client.

    Raises:
        NotFound: client or account are gone.
    """
    async with store._work(audit) as work:  # noqa: SLF001 - see above
        for table, row, what in ((clients, client, "client"), (accounts, account, "account")):
            found = await work.connection.execute(select(table.c.id).where(table.c.id == row))
            if found.one_or_none() is None:
                raise NotFound(f"the {what} was removed", hint=f"codex-broker {what} list")
        values = {
            "client": client,
            "account": account,
            "name": name,
            "key_id": key.key_id,
            "key_hash": hash_key(key, work.keys.api_key_hash),
            "expires_at": expires_at,
            "created_at": work.now_s,
            "revision": work.revision,
        }
        made = await work.insert(machines, values)
        await work.log()
        rows = await work.connection.execute(select(machines).where(machines.c.id == made))
        return machine_from_row(rows.one())


async def revoke_machines(store: Store, ids: AbstractSet[int], audit: AuditRecord) -> tuple[Machine, ...]:
    """Revoke credentials for good; one that is revoked keeps its date.

    Returns:
        Those that are still there, as they now are.
    """
    async with store._work(audit) as work:  # noqa: SLF001 - see above
        wanted = machines.c.id.in_(ids)
        changed = {"revoked_at": work.now_s, "revision": work.revision}
        await work.connection.execute(
            update(machines).where(wanted, machines.c.revoked_at.is_(None)).values(changed)
        )
        await work.log()
        rows = await work.connection.execute(select(machines).where(wanted))
        return tuple(map(machine_from_row, rows))


async def machines_used(store: Store, used: Mapping[int, float]) -> None:
    """Note when credentials were used last, in epoch seconds by row id; it never goes back.

    No change that anybody follows, so without a revision; the trail has each token that left.
    """
    earlier = machines.c.last_used_at.is_(None) | (machines.c.last_used_at < bindparam("at"))
    statement = update(machines).where(machines.c.id == bindparam("of"), earlier)
    values = [{"of": machine, "at": at} for machine, at in used.items()]
    async with store.database.write() as connection:
        await connection.execute(statement.values(last_used_at=bindparam("at")), values)


async def last_uses(store: Store, client: int) -> dict[int, float | None]:
    """Return when a client's credentials were used last, by row id."""
    async with store.database.read() as connection:
        rows = await connection.execute(
            select(machines.c.id, machines.c.last_used_at).where(machines.c.client == client)
        )
        return {row.id: row.last_used_at for row in rows}
