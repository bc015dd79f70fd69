"""What happens to machine credentials, each one transaction: made, revoked, seen in use."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, or_, select, update

from broker.domain.apikey import ApiKey, hash_key
from broker.domain.audit import Action
from broker.domain.records import AuditRecord, Machine
from broker.store.rows import machine_from_row
from broker.store.store import Store
from broker.store.tables import accounts, clients, machines
from broker.store.work import Work
from fetchtoken.domain.errors import ConfigError, Denied, NotFound

__all__ = [
    "KEPT_ENDED",
    "Replacement",
    "add_machine",
    "last_uses",
    "machines_used",
    "replace_machine",
    "replace_within",
    "revoke_machines",
    "revoke_within",
]

KEPT_ENDED = 100
"""How many of a client's credentials that ended are kept to be shown; the trail has them all."""

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
        values = {"client": client, "account": account, "name": name, "expires_at": expires_at}
        made = await _insert(work, key, values)
        await work.log()
        return made


class Replacement(NamedTuple):
    """What :func:`replace_machine` did."""

    made: Machine
    ended: tuple[Machine, ...]
    """The former credentials of that machine, as they now are; mostly none or one."""


async def replace_machine(  # noqa: PLR0913 - a record; its fields are named at the call
    store: Store,
    key: ApiKey,
    audit: AuditRecord,
    *,
    client: int,
    account: int,
    name: str,
    expires_at: float | None,
    at_most: int,
    from_key: str | None = None,
) -> Replacement:
    """Store a credential in the place of every live one that the same client has by the same name.

    Args:
        store: the store.
        key: a new one (:func:`broker.domain.apikey.new_key`); its text is not stored.
        audit: the record of the new one; its detail begins with the machine. Each that ends has a
            record of its own, by the same hand.
        client: row id of the client that it belongs to.
        account: row id of the account whose token it brings.
        name: what people call the machine.
        expires_at: epoch seconds, or ``None`` for as long as its client.
        at_most: how many live credentials a client may have, this one included.
        from_key: id of the API key that is exchanged for it, where one is.

    Raises:
        NotFound: client or account are gone.
        ConfigError: the client has that many under other names (code ``too_many_machines``); nothing
            has changed.
        Denied: that API key is the client's no more (code ``invalid_token``); nothing has changed.
    """
    async with store._work(audit) as work:  # noqa: SLF001 - see above
        if from_key is not None:
            await _check_key(work, client, from_key)
        return await replace_within(
            work,
            key,
            client=client,
            account=account,
            name=name,
            expires_at=expires_at,
            at_most=at_most,
            from_key=from_key,
        )


async def replace_within(  # noqa: PLR0913 - as above
    work: Work,
    key: ApiKey,
    *,
    client: int,
    account: int,
    name: str,
    expires_at: float | None,
    at_most: int,
    from_key: str | None = None,
) -> Replacement:
    """Do what :func:`replace_machine` does, as a part of more."""
    held = await _live(work, client)
    former = [machine for machine in held if machine.name == name]
    if len(held) - len(former) >= at_most:
        raise ConfigError(
            f"this client has {len(held)} live machine credentials already; {at_most} is the most",
            hint="revoke those that nobody uses any more: codex-broker client show NAME",
            code="too_many_machines",
        )
    values = {"client": client, "account": account, "name": name, "expires_at": expires_at}
    made = await _insert(work, key, {**values, "from_key": from_key})
    ended = await revoke_within(work, {machine.id for machine in former})
    told = f"machine {made.id} {name}"
    for machine in ended:
        replaced = f"machine {machine.id} {name}, replaced by {made.id}"
        await work.log_also(Action.MACHINE_REVOKED, "ok", replaced)
    detail = f"{told}, {work.audit.detail}" if work.audit.detail else told
    await work.trail.append(work.audit._replace(detail=detail))
    await _forget_ended(work, client)
    return Replacement(made, ended)


async def revoke_machines(store: Store, ids: AbstractSet[int], audit: AuditRecord) -> tuple[Machine, ...]:
    """Revoke credentials for good; one that is revoked keeps its date.

    Returns:
        Those that are still there, as they now are.
    """
    async with store._work(audit) as work:  # noqa: SLF001 - see above
        revoked = await revoke_within(work, ids)
        await work.log()
        return revoked


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


async def _insert(work: Work, key: ApiKey, values: Mapping[str, Any]) -> Machine:
    for table, what in ((clients, "client"), (accounts, "account")):
        found = await work.connection.execute(select(table.c.id).where(table.c.id == values[what]))
        if found.one_or_none() is None:
            raise NotFound(f"the {what} was removed", hint=f"codex-broker {what} list")
    own = {
        "key_id": key.key_id,
        "key_hash": hash_key(key, work.keys.api_key_hash),
        "created_at": work.now_s,
        "revision": work.revision,
    }
    made = await work.insert(machines, {**values, **own})
    (machine,) = await _read(work, machines.c.id == made)
    return machine


async def _check_key(work: Work, client: int, key_id: str) -> None:
    """Raise where a key was rotated or revoked after it was looked at."""
    row = (await work.connection.execute(select(clients).where(clients.c.id == client))).one_or_none()
    if row is not None and (row.key_id != key_id or row.revoked_at is not None):
        raise Denied(
            "this API key does not count any more", hint="take the client's new key", code="invalid_token"
        )


async def _forget_ended(work: Work, client: int) -> None:
    """Delete a client's oldest credentials that ended, so that what is enrolled time and again stays small.

    Others may go on knowing them as revoked; to nobody do they count.
    """
    ended = or_(machines.c.revoked_at.is_not(None), machines.c.expires_at <= work.now_s)
    oldest = select(machines.c.id).where(machines.c.client == client, ended)
    rows = await work.connection.execute(oldest.order_by(machines.c.id.desc()).offset(KEPT_ENDED))
    if gone := set(rows.scalars()):
        await work.connection.execute(delete(machines).where(machines.c.id.in_(gone)))


async def _live(work: Work, client: int) -> tuple[Machine, ...]:
    """Return a client's credentials that are neither revoked nor expired."""
    counts = or_(machines.c.expires_at.is_(None), machines.c.expires_at > work.now_s)
    return await _read(work, machines.c.client == client, machines.c.revoked_at.is_(None), counts)


async def revoke_within(work: Work, ids: AbstractSet[int]) -> tuple[Machine, ...]:
    """Revoke those that are not revoked yet, and return all as they now are."""
    wanted = machines.c.id.in_(ids)
    changed = {"revoked_at": work.now_s, "revision": work.revision}
    await work.connection.execute(
        update(machines).where(wanted, machines.c.revoked_at.is_(None)).values(changed)
    )
    return await _read(work, wanted)


async def _read(work: Work, *conditions: Any) -> tuple[Machine, ...]:
    rows = await work.connection.execute(select(machines).where(*conditions).order_by(machines.c.id))
    return tuple(map(machine_from_row, rows))
