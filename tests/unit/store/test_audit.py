"""The trail: filters, order, and one fate with what it tells of."""

import asyncio
import sqlite3
from contextlib import closing

import pytest

from fetchtoken.domain.errors import Unavailable
from tests.support.records import NOW, RECORD, a_login


async def _tell(store, number, **changes):
    record = RECORD._replace(at=NOW + number, detail=str(number), **changes)
    login = a_login(str(number), account_id=f"acct-{number}")
    await store.add_account(f"a{number}", login, record)
    return record


async def test_records_come_back_as_they_were_in_order(store):
    """All fields are kept, oldest first."""
    written = [await _tell(store, number, client=f"c{number}") for number in range(3)]
    assert await store.list_audit() == written


async def test_records_are_chosen_by_account_client_and_time(store):
    """Each filter leaves what it names, and a limit leaves the newest."""
    records = [
        await _tell(store, number, account=f"acct{number % 2}", client=f"c{number}") for number in range(4)
    ]
    assert await store.list_audit(account="acct1") == [records[1], records[3]]
    assert await store.list_audit(client="c2") == [records[2]]
    assert await store.list_audit(since=NOW + 2) == records[2:]
    assert await store.list_audit(limit=1) == records[3:]


async def test_a_failed_change_leaves_no_record(store, sql):
    """Record and change are one: where the record cannot be written, nothing changes."""
    sql("CREATE TRIGGER stop BEFORE INSERT ON audit BEGIN SELECT RAISE(FAIL, 'no trail'); END")
    before = await store.snapshot()
    with pytest.raises(Exception, match="no trail"):
        await store.add_account("work", a_login(), RECORD)
    assert await store.snapshot() == before


async def test_a_full_store_says_so(store):
    """When the database cannot grow the change is refused as unavailable, and reading goes on."""
    await store.add_account("work", a_login(), RECORD)
    before = await store.snapshot()
    async with store.database.write() as connection:
        await connection.exec_driver_sql("PRAGMA max_page_count = 1")
    with pytest.raises(Unavailable, match="database or disk is full") as caught:
        await store.keep_adopted(before.accounts[0], "/x/auth.json", "x" * 100_000)
    assert caught.value.code == "store"
    assert await store.snapshot() == before


async def test_a_write_waits_for_another_process(store, tmp_path):
    """A change made while another process writes is made when that one is done."""
    with closing(sqlite3.connect(tmp_path / "broker.db", isolation_level=None)) as blocker:
        blocker.execute("BEGIN IMMEDIATE")
        change = asyncio.create_task(store.add_account("work", a_login(), RECORD))
        assert (await store.snapshot()).accounts == ()
        blocker.execute("COMMIT")
        assert (await change).name == "work"
