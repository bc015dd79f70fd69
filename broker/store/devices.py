"""Requests for a device login: asked for, asked after, and void."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from broker.domain.approval import Asked
from broker.domain.device import (
    ALIVE_IN_ALL,
    ALIVE_OF_ADDRESS,
    KEPT_FOR_S,
    LIVES_S,
    DeviceRequest,
    DeviceState,
    Hashed,
    code_of,
    hash_of,
    new_secret,
    new_user_code,
)
from broker.domain.machine import EXCHANGED_LIVES_S
from broker.store.store import Store
from broker.store.tables import device_requests
from fetchtoken.domain.secret import Secret

__all__ = ["ask_device", "device_by", "find_device", "void_devices"]

# The functions of this module are of the same class as the store's methods, apart for its size.

_OPEN = device_requests.c.state.in_((DeviceState.WAITING, DeviceState.APPROVED))


async def ask_device(  # noqa: PLR0913 - a record; its fields are named at the call
    store: Store,
    *,
    client_id: str,
    address: str,
    limited_by: str,
    now_s: float,
    random_bytes: Callable[[int], bytes],
) -> Asked | None:
    """Store a request for a login.

    No change that anybody follows, so without a revision. And no record: anyone may ask, and the trail
    is not for strangers to fill; what is approved or denied is recorded with the asker's address.

    Args:
        store: the store.
        client_id: the asker's word for itself.
        address: the asker's.
        limited_by: that address, or the network that counts as one.
        now_s: epoch seconds.
        random_bytes: a strong source.

    Returns:
        ``None`` where too many requests wait already.
    """
    under = store.keys.device
    async with store.database.write() as connection:
        await connection.execute(delete(device_requests).where(_is_forgotten(now_s)))
        alive = and_(_OPEN, device_requests.c.expires_at > now_s)
        here = and_(alive, device_requests.c.limited_by == limited_by)
        if (
            await _count(connection, here) >= ALIVE_OF_ADDRESS
            or await _count(connection, alive) >= ALIVE_IN_ALL
        ):
            return None
        device, user_code = new_secret(random_bytes), new_user_code(random_bytes)
        while await device_by(connection, Hashed.USER, user_code, under) is not None:
            user_code = new_user_code(random_bytes)
        values = {
            "device_hash": hash_of(Hashed.DEVICE, device, under),
            "user_hash": hash_of(Hashed.USER, user_code, under),
            "code_hash": hash_of(Hashed.CODE, code_of(device, under), under),
            "client_id": client_id,
            "address": address,
            "limited_by": limited_by,
            "created_at": now_s,
            "expires_at": now_s + LIVES_S,
            "wrong": 0,
            "state": DeviceState.WAITING,
            "machine": "",
        }
        await connection.execute(insert(device_requests).values(values))
        return Asked(device=device, user_code=user_code, expires_at=now_s + LIVES_S)


async def find_device(store: Store, what: Hashed, text: Secret) -> DeviceRequest | None:
    """Return the request that a secret belongs to, whatever became of it, or ``None``."""
    async with store.database.read() as connection:
        return await device_by(connection, what, text, store.keys.device)


async def device_by(
    connection: AsyncConnection, what: Hashed, text: Secret, under: bytes
) -> DeviceRequest | None:
    """Return the request that a secret belongs to, within a transaction."""
    column = device_requests.c[f"{what}_hash"]
    found = await connection.execute(select(device_requests).where(column == hash_of(what, text, under)))
    row = found.one_or_none()
    return None if row is None else _device(row)


async def void_devices(connection: AsyncConnection) -> None:
    """End all requests that are not spent: in another life of the store they may have been."""
    ended = {"state": DeviceState.VOID, "ticket_hash": None}
    await connection.execute(update(device_requests).where(_OPEN).values(ended))


def _device(row: Row[Any]) -> DeviceRequest:
    fields = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented accessor
    for column in ("device_hash", "user_hash", "code_hash", "ticket_hash", "limited_by"):
        del fields[column]
    return DeviceRequest(**fields | {"state": DeviceState(row.state)})


def _is_forgotten(now_s: float) -> ColumnElement[bool]:
    spent = device_requests.c.state == DeviceState.SPENT
    ended = device_requests.c.expires_at
    return or_(ended < now_s - EXCHANGED_LIVES_S, and_(~spent, ended < now_s - KEPT_FOR_S))


async def _count(connection: AsyncConnection, condition: ColumnElement[bool]) -> int:
    counted = await connection.execute(select(func.count()).select_from(device_requests).where(condition))
    return int(counted.scalar_one())
