"""The database: connections, transactions and its clock. The only file that knows SQLite."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Double, bindparam, event, insert, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from broker.domain.chain import Head, Mac, extend
from broker.domain.records import AuditRecord
from broker.store.headfile import HeadFile
from broker.store.tables import audit, audit_heads
from fetchtoken.domain.errors import ConfigError, Unavailable
from fetchtoken.files.atomic import fsync_dir

__all__ = ["DAMAGED", "AuditSink", "Database", "database_now", "file_of", "files_of"]

DAMAGED = "damaged"
"""Code of an ``Unavailable`` that no waiting ends: the database cannot read itself."""

_DAMAGES = frozenset({"SQLITE_CORRUPT", "SQLITE_CORRUPT_INDEX", "SQLITE_CORRUPT_SEQUENCE", "SQLITE_NOTADB"})
_BUSY_TIMEOUT_MS = 5000
_PRAGMAS = (
    # The timeout comes first: switching to WAL needs a lock that another process may hold.
    f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}",
    "PRAGMA journal_mode = WAL",
    # FULL, since with NORMAL a power loss rolls back commits that were already acted upon.
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
)


class database_now(FunctionElement[float]):  # noqa: N801 - reads as the SQL function that it is
    """Epoch seconds on the database's clock, the one that all replicas share."""

    type = Double()
    inherit_cache = True


@compiles(database_now, "sqlite")
def _sqlite_now(_element: database_now, _compiler: SQLCompiler, **_options: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


def file_of(url: str) -> str:
    """Return the path in a ``sqlite:///`` URL.

    Raises:
        ConfigError: the URL is of another kind.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        raise ConfigError("store.url must be sqlite:///PATH", hint="leave store.url out for HOME/broker.db")
    return parsed.database


def files_of(url: str) -> tuple[Path, ...]:
    """Return the database's file and those that may lie beside it, whether they exist or not."""
    return tuple(Path(file_of(url) + end) for end in ("", "-wal", "-shm", "-journal"))


class Database:
    """Transactions on one database, each its own context manager.

    Args:
        url: ``sqlite:///PATH``; the file is made, 0600, where there is none.
    """

    def __init__(self, url: str) -> None:
        self.path = file_of(url)
        _make_private(self.path)
        self._engine: AsyncEngine = create_async_engine(
            make_url(url).set(drivername="sqlite+aiosqlite"),
            connect_args={"isolation_level": None},
            hide_parameters=True,
            pool_size=4,
        )
        event.listen(self._engine.sync_engine, "connect", _on_connect)
        event.listen(self._engine.sync_engine, "begin", _on_begin)
        self._writer = self._engine.execution_options(writes=True)
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection whose statements all see one state of the database.

        Raises:
            Unavailable: the database does not answer.
        """
        async with _translated(self.path), self._engine.begin() as connection:
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection in a write transaction: durable when the block ends, undone when it raises.

        Raises:
            Unavailable: the database does not answer, is locked or full; nothing was written, or,
                where the commit itself failed, it is not known.
        """
        # Writers of one process queue here in order; SQLite would have them poll.
        async with self._turn, _translated(self.path), self._writer.begin() as connection:
            yield connection

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()


class AuditSink:
    """Writes audit records from one thread, past SQLAlchemy: at its speed a record costs ten times more.

    Args:
        url: ``sqlite:///PATH`` of a store that is set up.
        file: the home's head file.
        chain: the home's chain.
        mac: under the trail's key.
    """

    def __init__(self, url: str, file: HeadFile, chain: str, mac: Mac) -> None:
        self._file, self._chain, self._mac = file, chain, mac
        self._connection = sqlite3.connect(file_of(url), isolation_level=None, check_same_thread=False)
        _on_connect(self._connection, None)
        of_chain = audit_heads.c.chain == bindparam("of")
        moved = update(audit_heads).where(of_chain).values(seq=bindparam("to"), mac=bindparam("by"))
        named = sqlite.dialect(paramstyle="named")
        self._head = str(select(audit_heads).where(of_chain).compile(dialect=named))
        self._move = str(moved.compile(dialect=named))
        self._insert = str(insert(audit).compile(dialect=sqlite.dialect()))

    def write(self, records: list[AuditRecord]) -> None:
        """Write records in one transaction, durable when this returns.

        Raises:
            sqlite3.Error: none is to be relied on.
            OSError: the head file cannot be written; the records may stand, but nobody is to act on them.
            UnicodeError: a field cannot be encoded; none was written.
        """
        self._file.ensure()
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            found = self._connection.execute(self._head, {"of": self._chain}).fetchone()
            if found is None:
                raise sqlite3.IntegrityError(f"audit chain {self._chain} has no head any more")
            if not self._file.goes_on(Head(*found)):
                raise sqlite3.IntegrityError(f"audit chain {self._chain} ends before its head file does")
            rows, head = extend(self._mac, Head(*found), records)
            self._connection.executemany(self._insert, rows)
            self._connection.execute(self._move, {"of": self._chain, "to": head.seq, "by": head.mac})
            self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._connection.rollback()
        self._file.advance(head)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@asynccontextmanager
async def _translated(path: str) -> AsyncIterator[None]:
    try:
        yield
    except IntegrityError:
        raise
    except (OperationalError, DatabaseError) as error:
        code = DAMAGED if _is_damaged(error.orig) else "store"
        raise Unavailable(
            f"the store {path} does not work: {error.orig}", hint="codex-broker check", code=code
        ) from None


def _is_damaged(error: BaseException | None) -> bool:
    # What cannot be decoded is found by Python's module, which gives it no code.
    return getattr(error, "sqlite_errorname", "") in _DAMAGES or "Could not decode" in str(error)


def _make_private(path: str) -> None:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        directory = Path(path).absolute().parent
        raise ConfigError(
            f"the store {path} cannot be made: {error.strerror}", hint=f"ls -ld {directory}"
        ) from None
    fsync_dir(Path(path).absolute().parent)


def _on_connect(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _on_begin(connection: Any) -> None:
    # A deferred transaction that reads and then writes fails at once when another wrote in between.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
