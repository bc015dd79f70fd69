"""One write transaction: where it writes, when, under which revision, and what the trail says of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Table, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from broker.domain.audit import Action
from broker.domain.records import Account, AuditRecord
from broker.store.keys import StoreKeys
from broker.store.rows import account_from_row
from broker.store.tables import accounts
from broker.store.trail import Appending
from fetchtoken.domain.errors import NotFound

__all__ = ["Work"]


@dataclass(frozen=True, slots=True)
class Work:
    """What every change needs. It commits when the store's block ends."""

    connection: AsyncConnection
    keys: StoreKeys
    now_s: float
    revision: int
    audit: AuditRecord
    trail: Appending

    async def undo(self) -> None:
        """Take back everything in this transaction, the revision included."""
        await self.connection.rollback()
        self.trail.undone()

    async def log(self) -> None:
        """Write the audit record."""
        await self.trail.append(self.audit)

    async def log_also(self, action: Action, outcome: str, detail: str) -> None:
        """Write a record of something that happened besides, by the same hand."""
        await self.trail.append(self.audit._replace(action=action, outcome=outcome, detail=detail))

    async def account_row(self, account: int) -> Row[Any]:
        """Return the row of an account.

        Raises:
            NotFound: it was removed.
        """
        found = await self.connection.execute(select(accounts).where(accounts.c.id == account))
        row = found.one_or_none()
        if row is None:
            raise NotFound("this account was removed", hint="codex-broker account list")
        return row

    async def account(self, account: int) -> Account:
        """Return an account as it is now; raises NotFound."""
        return account_from_row(await self.account_row(account), self.keys)

    async def of_login(self, login_id: str) -> Row[Any] | None:
        """Return the row that holds a login, or ``None``."""
        found = await self.connection.execute(select(accounts).where(accounts.c.login_id == login_id))
        return found.one_or_none()

    async def insert(self, table: Table, values: Mapping[str, Any]) -> int:
        """Insert a row and return its id."""
        result = await self.connection.execute(insert(table).values(values))
        key: Any = result.inserted_primary_key
        return int(key[0])

    async def change(self, condition: Any, values: Mapping[str, Any]) -> int:
        """Update the accounts that meet a condition and return how many did."""
        stamped = {**values, "updated_at": self.now_s, "revision": self.revision}
        result = await self.connection.execute(update(accounts).where(condition).values(stamped))
        return result.rowcount
