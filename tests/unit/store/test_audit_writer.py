"""The fast audit path: durable before it returns, shared commits, failures that hold tokens back."""

import asyncio
import sqlite3

import pytest
import pytest_asyncio

from broker.store.audit_writer import AuditWriter
from broker.store.engine import AuditSink
from fetchtoken.domain.errors import Unavailable
from tests.support.records import NOW, RECORD


class Sink:
    """A real sink whose commits can be counted, held and made to fail."""

    def __init__(self, sink):
        self.sink = sink
        self.batches = []
        self.error = None

    def write(self, records):
        self.batches.append(len(records))
        if self.error is not None:
            raise self.error
        self.sink.write(records)

    def close(self):
        self.sink.close()


@pytest_asyncio.fixture
async def writer(store, url):
    made = AuditWriter(url, store.trail, now=lambda: NOW, retry_s=0.001)
    made._sink = Sink(made._sink)
    yield made
    await made.close()


async def _until(condition):
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the writer tells nobody that it is healthy again
            await asyncio.sleep(0)


async def test_a_record_is_durable_when_it_returns(writer, store):
    """What was awaited is committed: another connection reads it."""
    await writer.record(RECORD)
    assert await store.list_audit() == [RECORD]


async def test_records_keep_their_order(writer, store):
    """However many wait at once, they are written in the order in which they came."""
    records = [RECORD._replace(request_id=str(number)) for number in range(500)]
    await asyncio.gather(*(writer.record(record) for record in records))
    assert await store.list_audit() == records


async def test_those_who_wait_together_share_a_commit(writer):
    """Everything that one turn of the event loop brings goes into one transaction."""
    await asyncio.gather(*(writer.record(RECORD) for _ in range(100)))
    assert writer._sink.batches == [100]


async def test_a_lone_record_does_not_wait_for_others(writer):
    """One caller after the other makes one transaction each; no timer is involved."""
    for _ in range(3):
        await writer.record(RECORD)
    assert writer._sink.batches == [1, 1, 1]


@pytest.mark.parametrize(
    "error",
    [sqlite3.OperationalError("database or disk is full"), OSError("I/O error"), MemoryError()],
    ids=repr,
)
async def test_a_failure_raises_for_everybody_in_the_batch(writer, store, error):
    """Who waits for a batch that could not be written hears so, and nothing was recorded."""
    writer._sink.error = error
    done = await asyncio.gather(*(writer.record(RECORD) for _ in range(3)), return_exceptions=True)
    assert [(type(one), one.code) for one in done] == [(Unavailable, "audit")] * 3
    assert not writer.healthy
    assert await store.list_audit() == []


async def test_a_trail_that_works_again_says_what_it_missed(writer, store):
    """After a failure a record of the refused ones is written by itself, and the writer is healthy."""
    writer._sink.error = sqlite3.OperationalError("database or disk is full")
    await asyncio.gather(*(writer.record(RECORD) for _ in range(3)), return_exceptions=True)
    await _until(lambda: len(writer._sink.batches) > 2)
    assert not writer.healthy
    writer._sink.error = None
    await _until(lambda: writer.healthy)
    [resumed] = await store.list_audit()
    assert (resumed.action, resumed.detail) == ("audit.resumed", "3 records could not be written")
    await writer.record(RECORD)
    assert len(await store.list_audit()) == 2


async def test_a_full_disk_refuses_and_recovers(writer, store):
    """A database that cannot grow refuses records until it can again."""
    sink = writer._sink.sink
    [(pages,)] = sink._connection.execute("PRAGMA page_count").fetchall()
    sink._connection.execute(f"PRAGMA max_page_count = {pages}")
    long = RECORD._replace(detail="x" * 100_000)
    with pytest.raises(Unavailable, match="database or disk is full"):
        await writer.record(long)
    assert await store.list_audit(client="x") == []
    sink._connection.execute("PRAGMA max_page_count = 1000000")
    await _until(lambda: writer.healthy)
    await writer.record(long)
    assert (await store.list_audit())[-1] == long


async def test_a_lock_that_is_not_given_up_refuses(writer, tmp_path):
    """When another process holds the database for longer than the timeout, the record fails."""
    writer._sink.sink._connection.execute("PRAGMA busy_timeout = 1")
    blocker = sqlite3.connect(tmp_path / "broker.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="database is locked"):
        await writer.record(RECORD)
    blocker.execute("COMMIT")
    blocker.close()


async def test_one_odd_text_does_not_cost_the_others_their_records(writer, store):
    """A text that no encoding can write is written escaped, with the rest of its batch."""
    odd = RECORD._replace(request_id="a\ud800b")
    await asyncio.gather(writer.record(RECORD), writer.record(odd), writer.record(RECORD))
    assert [record.request_id for record in await store.list_audit()] == ["", r"a\ud800b", ""]


async def test_a_caller_that_goes_away_leaves_the_others_alone(writer, store):
    """A cancelled caller's record may be written; those who wait with it are not disturbed."""
    gone, stays = asyncio.create_task(writer.record(RECORD)), asyncio.create_task(writer.record(RECORD))
    await asyncio.sleep(0)
    gone.cancel()
    await stays
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert len(await store.list_audit()) == 2


async def test_closing_writes_what_waits(writer, store):
    """Records that were handed in before the close are written by it."""
    waiting = [asyncio.create_task(writer.record(RECORD)) for _ in range(5)]
    await asyncio.sleep(0)
    await writer.close()
    await asyncio.gather(*waiting)
    assert len(await store.list_audit()) == 5


async def test_nothing_is_recorded_after_the_close(writer):
    """A closed writer refuses, and closing again is nothing."""
    await writer.close()
    await writer.close()
    with pytest.raises(Unavailable, match="is closed"):
        await writer.record(RECORD)


async def test_closing_in_trouble_ends(writer):
    """A writer that cannot write closes all the same."""
    writer._sink.error = OSError("gone")
    with pytest.raises(Unavailable):
        await writer.record(RECORD)
    await writer.close()
    assert not writer._thread.is_alive()


async def test_a_sink_leaves_no_transaction_open(store, tmp_path):
    """After a failure the connection is free for the next batch."""
    trail = store.trail
    sink = AuditSink(f"sqlite:///{tmp_path}/none.db", trail.file, trail.chain, trail.mac)
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        sink.write([RECORD])
    assert not sink._connection.in_transaction
    sink.close()
