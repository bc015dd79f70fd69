"""Reading the audit trail: by what somebody looks for, or row by row in its own order."""

from typing import Any

from sqlalchemy import Row, literal, select, tuple_, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import NullType

from broker.domain.chain import OLDER
from broker.domain.records import AuditRecord
from broker.store.tables import audit

__all__ = ["read_audit", "read_rows"]

# As they are, of whatever type: somebody may have put there what a column's type does not allow.
_raw = [type_coerce(column, NullType()).label(column.name) for column in audit.c]


async def read_audit(
    connection: AsyncConnection, *, account: str = "", client: str = "", since: float = 0, limit: int = 1000
) -> list[AuditRecord]:
    """Return the newest records that match, oldest first; without the records 0 by which chains begin.

    Args:
        connection: any connection.
        account: of this account only, where not empty.
        client: of this client only, where not empty.
        since: epoch seconds.
        limit: most records returned.
    """
    wanted = select(*(audit.c[name] for name in AuditRecord._fields)).where(audit.c.at >= since)
    wanted = wanted.where((audit.c.seq > 0) | (audit.c.chain == OLDER))
    if account:
        wanted = wanted.where(audit.c.account == account)
    if client:
        wanted = wanted.where(audit.c.client == client)
    newest = wanted.order_by(audit.c.at.desc(), audit.c.chain.desc(), audit.c.seq.desc()).limit(limit)
    rows = await connection.execute(newest)
    return [AuditRecord(*row) for row in rows][::-1]


async def read_rows(
    connection: AsyncConnection, after: tuple[str, int] | None, limit: int, *, of: str | None = None
) -> list[Row[Any]]:
    """Return rows in the order of (chain, number), columns in the table's order, values as they are.

    Args:
        connection: any connection.
        after: chain and number behind which to begin, or ``None`` for the first.
        limit: most rows returned.
        of: of this chain only.
    """
    wanted = select(*_raw).order_by(audit.c.chain, audit.c.seq).limit(limit)
    if after is not None:
        place = tuple_(audit.c.chain, audit.c.seq)
        chain, seq = literal(after[0], audit.c.chain.type), literal(after[1], audit.c.seq.type)
        wanted = wanted.where(place > tuple_(chain, seq))
    if of is not None:
        wanted = wanted.where(audit.c.chain == of)
    return list(await connection.execute(wanted))
