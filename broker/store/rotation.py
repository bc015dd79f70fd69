"""Rotation without tokens: arming an attempt, settling it, finding what is unsettled."""

from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from broker.domain.account import EXPORT, Event, State, step
from broker.domain.events import judge
from broker.domain.records import Account
from broker.store.engine import database_now
from broker.store.keys import StoreKeys
from broker.store.rows import account_from_row
from broker.store.tables import accounts
from broker.store.work import Work

__all__ = ["arm", "freeze", "read_armed", "read_unsettled", "settle"]

_UNSETTLED = (State.REFRESHING, State.REPLAYING, State.IN_DOUBT)


async def arm(  # noqa: PLR0913 - a record; its fields are named at the call
    work: Work, account: Account, *, to: State, attempt_id: str, journal_id: str, lease_s: float
) -> bool:
    """Write the intent; tell whether this caller is the one. See :meth:`broker.store.store.Store.arm`."""
    cell = step(account.state, Event.DUE, replay_allowed=to is State.REPLAYING)
    if cell.to is not to or to is account.state:
        message = f"an account that is {account.state} cannot be armed for {to}"
        raise ValueError(message)
    values: dict[str, Any] = {
        "state": to,
        "attempt_id": attempt_id,
        "journal_id": journal_id,
        "lease_until": database_now() + lease_s,
    }
    if cell.replay_used is not None:
        values["replay_used"] = cell.replay_used
    # In doubt, a replay by another hand may have come and gone since the caller looked.
    same_attempt = accounts.c.attempt_id.is_not_distinct_from(account.attempt_id)
    if not await work.change(
        and_(_is_unchanged(account), same_attempt, accounts.c.adopting.is_(False)), values
    ):
        return False
    await work.log()
    return True


async def settle(  # noqa: PLR0913 - a record; its fields are named at the call
    work: Work,
    account: Account,
    attempt_id: str,
    event: Event,
    *,
    not_before_s: float,
    failures: int,
    last_error: str,
) -> Account | None:
    """Record an outcome without tokens. See :meth:`broker.store.store.Store.settle`."""
    row = await work.of_login(account.login_id)
    if row is None:
        return None
    found = account_from_row(row, work.keys)
    cell = judge(
        found, event, login_id=account.login_id, generation=account.generation, attempt_id=attempt_id
    )
    if cell is None:
        return None
    if cell.rotated:
        message = f"{event} brings tokens and must be committed"
        raise ValueError(message)
    values: dict[str, Any] = {
        "state": cell.to,
        "lease_until": None,
        "not_before_s": not_before_s,
        "failures": failures,
        "last_error": last_error,
    }
    if cell.replay_used is not None:
        values["replay_used"] = cell.replay_used
    if cell.to is not State.IN_DOUBT:
        # In doubt, the row keeps naming the journal in which the answer may yet be found.
        values |= {"attempt_id": None, "journal_id": None}
    await work.change(_is_unchanged(found), values)
    await work.log()
    return await work.account(found.id)


async def freeze(work: Work, account: Account, last_error: str) -> Account | None:
    """Take an account out of renewal. See :meth:`broker.store.store.Store.freeze`."""
    values = {"state": EXPORT.to, "last_error": last_error, "not_before_s": 0.0}
    frozen = and_(accounts.c.state == EXPORT.to, accounts.c.last_error == last_error)
    may = and_(_is_unchanged(account), or_(accounts.c.state == State.ACTIVE, frozen))
    if not await work.change(may, values):
        return None
    await work.log()
    return await work.account(account.id)


async def read_armed(
    connection: AsyncConnection, keys: StoreKeys, account: int, attempt_id: str
) -> Account | None:
    """Return the account if its row names this attempt."""
    mine = and_(accounts.c.id == account, accounts.c.attempt_id == attempt_id)
    row = (await connection.execute(select(accounts).where(mine))).one_or_none()
    return None if row is None else account_from_row(row, keys)


async def read_unsettled(connection: AsyncConnection, keys: StoreKeys) -> list[Account]:
    """Return the accounts whose last attempt has no known outcome."""
    rows = await connection.execute(select(accounts).where(accounts.c.state.in_(_UNSETTLED)))
    return [account_from_row(row, keys) for row in rows]


def _is_unchanged(account: Account) -> Any:
    return and_(
        accounts.c.id == account.id,
        accounts.c.login_id == account.login_id,
        accounts.c.generation == account.generation,
        accounts.c.state == account.state,
    )
