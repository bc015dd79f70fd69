"""The audit trail inside other transactions, and reading it."""

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from broker.domain.records import AuditRecord
from broker.store.tables import audit

__all__ = ["read_audit", "write_audit"]


async def write_audit(connection: AsyncConnection, *records: AuditRecord) -> None:
    """Write records in the transaction that they tell of."""
    if records:
        await connection.execute(insert(audit), [record._asdict() for record in records])


async def read_audit(
    connection: AsyncConnection, *, account: str = "", client: str = "", since: float = 0, limit: int = 1000
) -> list[AuditRecord]:
    """Return the newest records that match, oldest first.

    Args:
        connection: any connection.
        account: of this account only, where not empty.
        client: of this client only, where not empty.
        since: epoch seconds.
        limit: most records returned.
    """
    wanted = select(*(audit.c[name] for name in AuditRecord._fields)).where(audit.c.at >= since)
    if account:
        wanted = wanted.where(audit.c.account == account)
    if client:
        wanted = wanted.where(audit.c.client == client)
    rows = await connection.execute(wanted.order_by(audit.c.id.desc()).limit(limit))
    return [AuditRecord(*row) for row in rows][::-1]
