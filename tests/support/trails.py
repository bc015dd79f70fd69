"""Audit trails on real files: written by the real writers, checked as ``audit verify`` does."""

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from broker.domain.records import AuditRecord
from broker.domain.verify import Verifier
from broker.seal.box import Seal
from broker.store.engine import AuditSink
from broker.store.store import Store
from broker.store.trailcheck import TrailCheck
from tests.support.records import NOW, RECORD, a_login, store_url

__all__ = ["checked", "copy_of", "numbered", "old_store", "rows_of", "written"]


def numbered(number: int) -> AuditRecord:
    """Return a record that differs from all others."""
    client, request_id = f"client-{number % 3}", f"{number:016x}"
    return AuditRecord(
        NOW + number, "token.served", client, "work", "127.0.0.1", request_id, "ok", f"d{number}"
    )


def old_store(directory: Path, count: int) -> None:
    """Make a store of the schema before there were chains, with so many audit records."""
    url = store_url(directory)
    engine = create_engine(url)
    config = Config()
    config.set_main_option("script_location", "broker.store:migrations")
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        marks = ", ".join("?" * len(AuditRecord._fields))
        insert = f"INSERT INTO audit ({', '.join(AuditRecord._fields)}) VALUES ({marks})"  # noqa: S608 - names
        for number in range(count):
            connection.exec_driver_sql(insert, tuple(numbered(number)))
    engine.dispose()
    (directory / "broker.db").chmod(0o600)


async def written(directory: Path, seal: Seal, first: int, count: int, **how: Any) -> str:
    """Open a store, write records through both writers, close it; return the name of its chain."""
    store = await Store.open(store_url(directory), seal, now=lambda: NOW, **how)
    trail = store.trail
    sink = AuditSink(store_url(directory), trail.file, trail.chain, trail.mac)
    try:
        batch = 1
        done = 0
        while done < count:
            part = min(batch, count - done)
            sink.write([numbered(first + done + number) for number in range(part)])
            done += part
            batch = batch % 7 + 1
        word = f"a{first}"
        login = a_login(word, account_id=word)
        account = await store.add_account(word, login, RECORD)
        await store.set_flags(account.id, RECORD, disabled=True)
    finally:
        sink.close()
        await store.close()
    return trail.chain


async def _checked(directory: Path, seal: Seal) -> Verifier:
    store = await Store.open(store_url(directory), seal, now=lambda: NOW)
    try:
        check = await TrailCheck.begin(store)
        while await check.step(10):
            pass
    finally:
        await store.close()
    return check.verifier


def checked(directory: Path, seal: Seal) -> Verifier:
    """Open a store as the next command would and check its whole trail."""
    return asyncio.run(_checked(directory, seal))


def copy_of(directory: Path, to: Path) -> Path:
    """Copy a home whose store is closed."""
    shutil.copytree(directory, to)
    return to


def rows_of(directory: Path) -> list[tuple[str, int]]:
    """Return chain and number of every record."""
    with closing(sqlite3.connect(directory / "broker.db")) as connection:
        return connection.execute("SELECT chain, seq FROM audit ORDER BY chain, seq").fetchall()
