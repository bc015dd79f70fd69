"""The home's chain: gone on with, begun anew, carried over, checked while it is written."""

import asyncio
import os
import sqlite3
from contextlib import closing

import pytest

from broker.domain.chain import Reason
from broker.domain.findings import Kind
from broker.store.audit_writer import AuditWriter
from broker.store.store import Store
from broker.store.trail import Trail
from broker.store.trailcheck import TrailCheck
from fetchtoken.domain.errors import Unavailable, Unsafe
from tests.support.records import NOW, RECORD, a_login, store_url
from tests.support.trails import checked, copy_of, numbered, old_store, rows_of, written


def _write(directory, seal, first=0, count=10, **how):
    return asyncio.run(written(directory, seal, first, count, **how))


def _reasons(verifier):
    return sorted(seen.start.reason for seen in verifier.chains.values())


def test_a_chain_is_gone_on_with(tmp_path, seal):
    """Every opening of a home goes on with its chain, whichever writer wrote last."""
    chains = {_write(tmp_path, seal, 10 * number, 5) for number in range(4)}
    found = checked(tmp_path, seal)
    assert (found.found, len(chains), _reasons(found)) == (0, 1, [Reason.NEW])
    assert [seq for _, seq in rows_of(tmp_path)] == list(range(4 * 7 + 1))


def test_an_older_store_is_carried_over(tmp_path, seal):
    """Records from before there were chains keep their order, and the first chain vouches for them."""
    old_store(tmp_path, 25)
    _write(tmp_path, seal, 100, 3)
    found = checked(tmp_path, seal)
    assert (found.found, found.older, _reasons(found)) == (0, 25, [Reason.UPGRADED])
    told = [record for record in asyncio.run(_listed(tmp_path, seal)) if record.action == "token.served"]
    assert told[:25] == [numbered(number) for number in range(25)]


async def _listed(directory, seal):
    store = await Store.open(store_url(directory), seal, now=lambda: NOW)
    try:
        return await store.list_audit()
    finally:
        await store.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET peer = 'x' WHERE chain = '' AND seq = 3",
        "DELETE FROM audit WHERE chain = '' AND seq = 3",
        "DELETE FROM audit WHERE chain = ''",
        "UPDATE audit SET seq = 99 WHERE chain = '' AND seq = 3",
        "INSERT INTO audit VALUES ('', 99, 1.0, 'token.served', '', '', '', '', 'ok', '', '')",
    ],
)
def test_records_carried_over_are_bound(tmp_path, seal, statement):
    """A change to what was there before the first chain is found."""
    old_store(tmp_path, 5)
    _write(tmp_path, seal, 100, 3)
    _sql(tmp_path, statement)
    assert [one.chain for one in checked(tmp_path, seal).findings] == [""]


def _sql(directory, statement):
    with closing(sqlite3.connect(directory / "broker.db", isolation_level=None)) as connection:
        connection.execute(statement)


def test_a_store_in_a_new_home_begins_a_chain_that_names_the_others(tmp_path, seal):
    """Another home has no head file: its chain begins there and holds the end of the one before."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    old = _write(first, seal)
    copy_of(first, second)
    (second / "audit.head").unlink()
    new = _write(second, seal, 50)
    found = checked(second, seal)
    assert (found.found, _reasons(found)) == (0, [Reason.HOME, Reason.NEW])
    [head] = found.chains[new].start.others
    assert (head.chain, head.seq) == (old, 12)
    assert found.chains[old].tied


def test_a_store_that_was_put_back_is_noticed(tmp_path, seal):
    """A database file older than the head: what is gone is named, by this check and by later ones."""
    home = tmp_path / "home"
    home.mkdir()
    chain = _write(home, seal)
    copy = copy_of(home, tmp_path / "copy")
    _write(home, seal, 20)
    (home / "broker.db").write_bytes((copy / "broker.db").read_bytes())
    for number in range(3):
        [finding] = checked(home, seal).findings
        assert (finding.chain, finding.seq, finding.kind) == (chain, 13, Kind.TRUNCATED)
        _write(home, seal, 40 + 10 * number)
    assert _reasons(checked(home, seal)) == [Reason.BEHIND, Reason.NEW]


def test_a_restore_is_not_taken_for_a_cut(tmp_path, seal):
    """What a restore put back may lack records; record 0 of the new chain says so, and no check fails."""
    home = tmp_path / "home"
    home.mkdir()
    _write(home, seal)
    copy = copy_of(home, tmp_path / "copy")
    _write(home, seal, 20)
    (home / "broker.db").write_bytes((copy / "broker.db").read_bytes())
    new = _write(home, seal, 40, restored=True)
    found = checked(home, seal)
    assert (found.found, _reasons(found)) == (0, [Reason.NEW, Reason.RESTORED])
    assert found.chains[new].start.lost.seq == 24


def test_a_head_behind_the_store_is_no_harm(tmp_path, seal):
    """A kill between commit and head, or a power failure, leaves an older head: the chain goes on."""
    chain = _write(tmp_path, seal)
    old = (tmp_path / "audit.head").read_bytes()
    _write(tmp_path, seal, 20)
    (tmp_path / "audit.head").write_bytes(old)
    assert checked(tmp_path, seal).found == 0
    assert _write(tmp_path, seal, 40) == chain
    assert checked(tmp_path, seal).found == 0


async def test_two_writers_and_a_check_at_the_same_time(store, url):
    """Served tokens and changes go into one chain, and a check meanwhile finds it whole."""
    writer = AuditWriter(url, store.trail, now=lambda: NOW)

    async def serve():
        for number in range(150):
            await asyncio.gather(*(writer.record(numbered(number)) for _ in range(4)))

    async def change():
        for number in range(60):
            login = a_login(str(number), account_id=f"acct-{number}")
            await store.add_account(f"a{number}", login, RECORD)

    async def check():
        for _ in range(10):
            under_way = await TrailCheck.begin(store)
            while await under_way.step(0.001):
                pass
            assert under_way.verifier.findings == []

    await asyncio.gather(serve(), change(), check())
    await writer.close()
    await check()
    assert len(await store.list_audit()) == 660


async def test_an_undone_change_does_not_move_the_head(store):
    """A late event writes nothing, and the head file names nothing that is not there."""
    account = await store.add_account("work", a_login(), RECORD)
    before = store.trail.file.written
    assert await store.freeze(account, "x", RECORD) is not None
    assert store.trail.file.written.seq == before.seq + 1
    assert await store.freeze(account, "x", RECORD) is None
    assert store.trail.file.written.seq == before.seq + 1


async def test_a_running_broker_notices_an_older_head_file(store, tmp_path):
    """While a process remembers what it wrote, not even its own older head file passes."""
    await store.add_account("a1", a_login("1", account_id="1"), RECORD)
    old = (tmp_path / "audit.head").read_bytes()
    for number in (2, 3):
        await store.add_account(f"a{number}", a_login(str(number), account_id=str(number)), RECORD)
    (tmp_path / "audit.head").write_bytes(old)
    check = await TrailCheck.begin(store)
    assert not await check.step(10)
    assert [one.kind for one in check.verifier.findings] == [Kind.HEAD_FORGED]


async def test_a_head_that_cannot_be_written_keeps_tokens_back(store, url, monkeypatch):
    """Without its head outside the store no record counts; changes are made all the same."""
    writer = AuditWriter(url, store.trail, now=lambda: NOW, retry_s=0.001)
    trail: Trail = store.trail

    def fails(*_values):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", fails)
        with pytest.raises(Unavailable, match="Input/output error"):
            await writer.record(RECORD)
        count = len(await store.list_audit())
        with pytest.raises(Unavailable, match="Input/output error"):
            await writer.record(RECORD)
        assert len(await store.list_audit()) == count
        await store.add_account("work", a_login(), RECORD)
    await writer.record(RECORD)
    assert trail.file.read().head == trail.file.written
    await writer.close()


async def test_a_chain_that_lost_its_head_row_is_said(store, url, sql):
    """Where somebody removed the row that writers take turns by, nothing is written, and it is said why."""
    writer = AuditWriter(url, store.trail, now=lambda: NOW)
    sql("DELETE FROM audit_heads")
    with pytest.raises(Unavailable, match="has no head"):
        await store.add_account("work", a_login(), RECORD)
    with pytest.raises(Unavailable, match="has no head"):
        await writer.record(RECORD)
    await writer.close()


async def test_a_number_that_is_taken_is_said(store, sql):
    """Where somebody set the chain's row back, a change is refused instead of mixing two ends."""
    await store.add_account("a1", a_login("1", account_id="1"), RECORD)
    sql("UPDATE audit_heads SET seq = 0")
    with pytest.raises(Unavailable, match="does not go on from where this broker left it"):
        await store.add_account("a2", a_login("2", account_id="2"), RECORD)


_CUT = (
    "UPDATE audit_heads SET (seq, mac) = (SELECT seq, mac FROM audit WHERE seq = 2)",
    "DELETE FROM audit WHERE seq > 2",
)


async def test_a_chain_that_was_cut_under_the_daemon_does_not_grow_past_its_head(store, url, sql):
    """Where somebody cut rows and head row alike, neither writer covers the cut with new records."""
    writer = AuditWriter(url, store.trail, now=lambda: NOW)
    for _ in range(5):
        await writer.record(RECORD)
    for statement in _CUT:
        sql(statement)
    with pytest.raises(Unavailable, match="it ends before its head file does"):
        await store.add_account("work", a_login(), RECORD)
    with pytest.raises(Unavailable, match="ends before its head file does"):
        await writer.record(RECORD)
    await writer.close()


def test_a_cut_is_found_where_the_head_file_waits_as_a_new_one(tmp_path, seal):
    """A head file that somebody moved to where a new chain's waits does not let the cut chain go on."""
    _write(tmp_path, seal)
    (tmp_path / "audit.head").rename(tmp_path / "audit.head.new")
    for statement in _CUT:
        _sql(tmp_path, statement)
    _write(tmp_path, seal, 100, 40)
    assert Kind.HEAD_MISSING in {one.kind for one in checked(tmp_path, seal).findings}


async def test_a_head_file_that_cannot_be_made_stops_the_opening(tmp_path, seal):
    """Nothing is opened without a head, and the error names the file."""
    (tmp_path / "heads").mkdir()
    head = tmp_path / "heads" / "audit.head"
    head.mkdir()
    with pytest.raises(Unsafe, match=rf"the audit head {head} cannot be written"):
        await Store.open(store_url(tmp_path), seal, head=head)


def test_the_head_may_lie_elsewhere(tmp_path, seal):
    """A store outside the home leaves its head in the home."""
    (tmp_path / "home").mkdir()
    head = tmp_path / "home" / "audit.head"
    _write(tmp_path, seal, head=head)
    assert head.stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "audit.head").exists()
