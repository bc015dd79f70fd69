"""What the store knows of homes, and how its accounts are taken out of renewal after a second life."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import delete, insert, select, update

from broker.domain.account import Event, State, step
from broker.domain.audit import Action
from broker.domain.records import Account, AuditRecord
from broker.domain.secondlife import Why, word_of
from broker.store.devices import void_devices
from broker.store.invites import end_invites, read_waiting
from broker.store.store import Store
from broker.store.tables import accounts, meta
from broker.store.work import Work

__all__ = ["Cause", "homes", "restore", "settle_in", "void_invites"]

_HOME = "home:"
"""Keys of the values that name the homes a store is used from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why accounts are not to be exchanged without a person."""

    why: Why
    detail: str = ""
    at: float
    """Epoch seconds."""


async def homes(store: Store) -> frozenset[str]:
    """Return the ids of the homes that a store is used from; none in one that no home has named itself in."""
    async with store.database.read() as connection:
        found = await connection.execute(select(meta.c.key).where(meta.c.key.startswith(_HOME)))
        return frozenset(key.removeprefix(_HOME) for key in found.scalars())


async def settle_in(store: Store, home: str) -> None:
    """Make a home the only one that a store is used from."""
    async with store.database.write() as connection:
        await connection.execute(delete(meta).where(meta.c.key.startswith(_HOME)))
        await connection.execute(insert(meta).values(key=_HOME + home))


async def restore(
    store: Store, ids: Collection[int], cause: Cause, *, above: int = 0, again: bool = False
) -> list[Account]:
    """Mark accounts restored, in one transaction; those that already are stay as they are.

    Whatever exchange was under way for one of them is in doubt.

    Args:
        store: the store.
        ids: of which accounts.
        cause: why.
        above: the change counter is put past this, so that no later revision of this store is taken
            for one that it had before it was put back.
        again: change those as well that are marked already, so that they tell the newest cause.

    Returns:
        The accounts that were changed, as they now are.
    """
    audit = AuditRecord(cause.at, Action.ACCOUNT_RESTORED, outcome=str(cause.why), detail=cause.detail)
    changed = []
    async with store._work(audit) as work:  # noqa: SLF001 - a module of the same class, for its size
        work = await _above(work, above)  # noqa: PLW2901 - the same transaction
        for account in await _affected(work, ids, again=again):
            await work.change(accounts.c.id == account.id, _values(account, cause))
            await replace(work, audit=audit._replace(account=account.name)).log()
            changed.append(await work.account(account.id))
    return changed


async def void_invites(store: Store, cause: Cause) -> list[str]:
    """Void codes and device logins that wait to be used: in another life of the store they may have been.

    Returns:
        The names of the clients that they would have made.
    """
    async with store.database.write() as connection:
        await void_devices(connection)
        if not await read_waiting(connection):
            return []
    audit = AuditRecord(cause.at, Action.INVITE_ENDED)
    async with store._work(audit) as work:  # noqa: SLF001 - same
        return [invite.name for invite in await end_invites(work, str(cause.why))]


async def _above(work: Work, above: int) -> Work:
    """Return the transaction with a revision past ``above``, and the change counter with it."""
    if work.revision > above:
        return work
    past = update(meta).where(meta.c.key == "changes").values(number=above + 1)
    await work.connection.execute(past)
    return replace(work, revision=above + 1)


async def _affected(work: Work, ids: Collection[int], *, again: bool) -> list[Account]:
    rows = await work.connection.execute(select(accounts.c.id, accounts.c.restored))
    return [await work.account(row.id) for row in rows if row.id in ids and (again or not row.restored)]


def _values(account: Account, cause: Cause) -> dict[str, Any]:
    values: dict[str, Any] = {"restored": True}
    if account.state is not State.LOGIN_REQUIRED:
        values["last_error"] = word_of(cause.why, cause.detail)
    if account.state in (State.REFRESHING, State.REPLAYING):
        values |= {"state": step(account.state, Event.OWNER_GONE).to, "lease_until": None}
    return values
