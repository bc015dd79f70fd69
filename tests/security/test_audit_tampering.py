"""Row 8 of the security table: whatever is done to the trail past the broker is found.

The trail has what a long life leaves: records from before there were chains, the chain of a first
home, and after a restore that of a second. Whoever tampers can write to the store, and repairs the
store's own table of heads as well; he has neither the key nor the head file.
"""

import asyncio
import os
import random
import sqlite3
import struct
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from broker.domain.findings import Kind
from broker.store.root import open_root
from tests.support.records import new_seal
from tests.support.trails import checked, copy_of, old_store, rows_of, written

SEEDS = 30
"""Cases of each kind; with a dozen kinds, hundreds in all."""

COLUMNS = (
    "chain",
    "seq",
    "at",
    "action",
    "client",
    "account",
    "peer",
    "request_id",
    "outcome",
    "detail",
    "mac",
)


@pytest.fixture(scope="module")
def seal():
    return new_seal()


@pytest.fixture(scope="module")
def home(tmp_path_factory, seal):
    first, second = (tmp_path_factory.mktemp(name) for name in ("first", "second"))
    old_store(first, 5)
    asyncio.run(written(first, seal, 100, 30))
    (second / "broker.db").write_bytes((first / "broker.db").read_bytes())
    (second / "broker.db").chmod(0o600)
    asyncio.run(written(second, seal, 200, 25, restored=True))
    assert checked(second, seal).found == 0
    return second


class Tamperer:
    """Somebody who can write to the store, and his chance.

    Args:
        home: a copy.
        seed: of what he does.
    """

    def __init__(self, home: Path, seed: int) -> None:
        self.home = home
        self.chance = random.Random(seed)
        self.rows = rows_of(home)
        self.chains = sorted({chain for chain, _ in self.rows if chain})

    def sql(self, statement, *values):
        with closing(sqlite3.connect(self.home / "broker.db", isolation_level=None)) as connection:
            return connection.execute(statement, values).fetchall()

    def row(self, chain, seq):
        [found] = self.sql("SELECT * FROM audit WHERE chain = ? AND seq = ?", chain, seq)
        return list(found)

    def put(self, row):
        marks = ", ".join("?" * len(row))
        self.sql(f"INSERT INTO audit VALUES ({marks})", *row)  # noqa: S608 - only marks

    def repair_heads(self):
        self.sql("DELETE FROM audit_heads")
        self.sql(
            "INSERT INTO audit_heads SELECT chain, seq, mac FROM audit AS a WHERE chain != '' AND seq ="
            " (SELECT max(seq) FROM audit AS b WHERE b.chain = a.chain)"
        )


def flip(who):
    """Change one bit of one value of one record."""
    chain, seq = who.chance.choice(who.rows)
    row = who.row(chain, seq)
    column = who.chance.randrange(len(row) - (not chain))
    value = row[column]
    if isinstance(value, float):
        [bits] = struct.unpack(">q", struct.pack(">d", value))
        [row[column]] = struct.unpack(">d", struct.pack(">q", bits ^ 1 << who.chance.randrange(52)))
    elif isinstance(value, int):
        row[column] = value ^ 1 << who.chance.randrange(6, 40)
    elif isinstance(value, bytes):
        place = who.chance.randrange(len(value))
        changed = value[place] ^ 1 << who.chance.randrange(8)
        row[column] = value[:place] + bytes([changed]) + value[place + 1 :]
    else:
        place = who.chance.randrange(len(value)) if value else 0
        mark = chr(ord(value[place]) ^ 1 << who.chance.randrange(5)) if value else "x"
        row[column] = value[:place] + mark + value[place + 1 :]
    who.sql("DELETE FROM audit WHERE chain = ? AND seq = ?", chain, seq)
    who.put(row)


def drop(who):
    """Remove a few records."""
    for chain, seq in who.chance.sample(who.rows, who.chance.randint(1, 3)):
        who.sql("DELETE FROM audit WHERE chain = ? AND seq = ?", chain, seq)


def swap(who):
    """Let two records change places, macs included."""
    one, other = who.chance.sample(who.rows, 2)
    first, second = who.row(*one), who.row(*other)
    for place in (one, other):
        who.sql("DELETE FROM audit WHERE chain = ? AND seq = ?", *place)
    who.put([*one, *second[2:]])
    who.put([*other, *first[2:]])


def swap_fields(who):
    """Let two records change places, and leave the macs where they are."""
    one, other = who.chance.sample(who.rows, 2)
    first, second = who.row(*one), who.row(*other)
    for place in (one, other):
        who.sql("DELETE FROM audit WHERE chain = ? AND seq = ?", *place)
    who.put([*one, *second[2:-1], first[-1]])
    who.put([*other, *first[2:-1], second[-1]])


def truncate(who):
    """Cut the end of a chain, and of the records without one."""
    chain = who.chance.choice(["", *who.chains])
    last = max(seq for of, seq in who.rows if of == chain)
    who.sql("DELETE FROM audit WHERE chain = ? AND seq > ?", chain, who.chance.randint(0, last - 1))


def behead(who):
    """Cut the beginning of a chain, or all of it."""
    chain = who.chance.choice(["", *who.chains])
    last = max(seq for of, seq in who.rows if of == chain)
    who.sql("DELETE FROM audit WHERE chain = ? AND seq <= ?", chain, who.chance.randint(1, last))


def insert(who):
    """Add a record at the end of a chain, or without one."""
    chain, seq = who.chance.choice(who.rows)
    row = who.row(chain, seq)
    to = who.chance.choice(["", *who.chains])
    last = max(seq for of, seq in who.rows if of == to)
    who.put([to, last + who.chance.randint(1, 3), *row[2:]])


def squeeze_in(who):
    """Add a record in the middle of a chain and count the later ones on."""
    chain = who.chance.choice(who.chains)
    last = max(seq for of, seq in who.rows if of == chain)
    at = who.chance.randint(1, last)
    for seq in range(last, at - 1, -1):
        who.sql("UPDATE audit SET seq = seq + 1 WHERE chain = ? AND seq = ?", chain, seq)
    row = who.row(chain, at + 1)
    who.put([chain, at, *row[2:4], "somebody", *row[5:]])


def close_up(who):
    """Remove a record from the middle of a chain and count the later ones down."""
    chain = who.chance.choice(who.chains)
    last = max(seq for of, seq in who.rows if of == chain)
    at = who.chance.randint(1, last)
    who.sql("DELETE FROM audit WHERE chain = ? AND seq = ?", chain, at)
    for seq in range(at + 1, last + 1):
        who.sql("UPDATE audit SET seq = seq - 1 WHERE chain = ? AND seq = ?", chain, seq)


def another_name(who):
    """Give a whole chain another name."""
    chain = who.chance.choice(["", *who.chains])
    who.sql("UPDATE audit SET chain = ? WHERE chain = ?", f"{who.chance.getrandbits(64):016x}", chain)


def another_kind(who):
    """Put a value where its kind does not belong."""
    chain, seq = who.chance.choice(who.rows)
    column = who.chance.choice(COLUMNS)
    value = who.chance.choice([b"\xff\xfe", "text", 7])
    if column in {"mac", "at"} or not isinstance(value, int):
        statement = f"UPDATE audit SET {column} = ? WHERE chain = ? AND seq = ?"  # noqa: S608 - of ours
        who.sql(statement, value, chain, seq)
    else:
        drop(who)


def everything(who):
    """Remove the whole trail, or all but the records of one chain."""
    kept = who.chance.choice(["-", "", *who.chains])
    who.sql("DELETE FROM audit WHERE chain != ?", kept)


def bytes_on_disk(who):
    """Change one bit of the database file where a record lies."""
    file = who.home / "broker.db"
    data = bytearray(file.read_bytes())
    chain, seq = who.chance.choice([place for place in who.rows if place[1] > 0])
    detail = who.row(chain, seq)[7].encode()
    places = [at for at in range(len(data)) if data.startswith(detail, at)] if detail else []
    if not places:
        drop(who)
        return
    for at in places:  # older copies may lie in free space
        data[at + who.chance.randrange(len(detail))] ^= 1 << who.chance.randrange(7)
    file.write_bytes(data)


TAMPERINGS = [
    flip,
    drop,
    swap,
    swap_fields,
    truncate,
    behead,
    insert,
    squeeze_in,
    close_up,
    another_name,
    another_kind,
    everything,
    bytes_on_disk,
]


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda function: function.__name__)
@pytest.mark.parametrize("repaired", [False, True], ids=["plain", "heads repaired"])
def test_it_is_found(home, seal, tmp_path, tampering, repaired):
    """Not one of the seeded cases of a kind passes for whole."""
    passed = []
    for seed in range(SEEDS // 2):
        copy = copy_of(home, tmp_path / str(seed))
        who = Tamperer(copy, seed)
        tampering(who)
        if repaired:
            who.repair_heads()
        if not checked(copy, seal).found:
            passed.append(seed)
    assert passed == []


def flip_head(file, chance):
    data = bytearray(file.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    file.write_bytes(data)


def cut_head(file, chance):
    os.truncate(file, chance.randrange(file.stat().st_size))


def other_slot(file, _chance):
    data = file.read_bytes()
    file.write_bytes(data[256:])


@pytest.mark.parametrize("harm", [flip_head, cut_head, other_slot])
def test_a_head_file_that_was_tampered_with_is_found(home, seal, tmp_path, harm):
    """Changed or cut, the head file is not believed, and later checks say so as well."""
    for seed in range(SEEDS // 4):
        copy = copy_of(home, tmp_path / str(seed))
        harm(copy / "audit.head", random.Random(seed))
        assert [one.kind for one in checked(copy, seal).findings] == [Kind.HEAD_FORGED]
        assert [one.kind for one in checked(copy, seal).findings] == [Kind.HEAD_FORGED]


def test_a_head_file_that_was_removed_is_missed(seal, tmp_path):
    """A home that has written before and has no head file says so, now and later."""
    asyncio.run(written(tmp_path, seal, 0, 5))
    (tmp_path / "audit.head").unlink()
    for _ in range(2):
        assert [one.kind for one in checked(tmp_path, seal).findings] == [Kind.HEAD_MISSING]


def test_everything_removed_is_missed(seal, tmp_path):
    """A store that has changed and yet has no trail at all says so, though nothing else tells of it."""
    asyncio.run(written(tmp_path, seal, 0, 5))
    who = Tamperer(tmp_path, 0)
    who.sql("DELETE FROM audit")
    who.sql("DELETE FROM audit_heads")
    (tmp_path / "audit.head").unlink()
    assert [one.kind for one in checked(tmp_path, seal).findings] == [Kind.MISSING]


def test_a_trail_taken_away_whole_is_missed_where_the_store_was_made_to_look_new(seal, tmp_path):
    """Neither a change counter set back nor a missing head file hides that chains were begun here."""
    asyncio.run(written(tmp_path, seal, 0, 5))
    who = Tamperer(tmp_path, 0)
    who.sql("DELETE FROM audit")
    who.sql("DELETE FROM audit_heads")
    who.sql("UPDATE meta SET number = 0 WHERE key = 'changes'")
    (tmp_path / "audit.head").unlink()
    for _ in range(2):
        assert [one.kind for one in checked(tmp_path, seal).findings] == [Kind.MISSING]


def test_a_trail_made_to_look_like_one_without_chains_is_missed(seal, tmp_path):
    """Records without a chain are no older version's, where chains were begun."""
    asyncio.run(written(tmp_path, seal, 0, 5))
    who = Tamperer(tmp_path, 0)
    who.sql("DELETE FROM audit WHERE seq = 0")
    who.sql("UPDATE audit SET chain = '', mac = x''")
    who.sql("DELETE FROM audit_heads")
    (tmp_path / "audit.head").unlink()
    for _ in range(2):
        assert Kind.MISSING in [one.kind for one in checked(tmp_path, seal).findings]


def test_chains_that_nobody_counted_are_counted_from_the_next_one_on(home, seal, tmp_path):
    """A store whose box holds the root alone takes what is there for all that was begun."""
    copy = copy_of(home, tmp_path / "copy")
    who = Tamperer(copy, 0)
    [(box,)] = who.sql("SELECT box FROM meta WHERE key = 'hash_root'")
    root = open_root(seal, box)
    assert root.begun == len(who.chains)
    who.sql("UPDATE meta SET box = ? WHERE key = 'hash_root'", replace(root, begun=None).close(seal))
    assert checked(copy, seal).found == 0
    asyncio.run(written(copy, seal, 300, 2, restored=True))
    [(box,)] = who.sql("SELECT box FROM meta WHERE key = 'hash_root'")
    assert open_root(seal, box).begun == len(who.chains) + 1
    assert checked(copy, seal).found == 0


def test_a_cut_chain_stays_found_after_new_records(home, seal, tmp_path):
    """The next start begins a new chain, whose record 0 still names where the old one ended."""
    copy = copy_of(home, tmp_path / "copy")
    who = Tamperer(copy, 0)
    last = max(seq for of, seq in who.rows if of == who.chains[0])
    for chain in who.chains:
        who.sql("DELETE FROM audit WHERE chain = ? AND seq > 5", chain)
    who.repair_heads()
    asyncio.run(written(copy, seal, 300, 10))
    found = checked(copy, seal)
    assert last > 5
    assert {(one.chain, one.seq, one.kind) for one in found.findings} == {
        (chain, 6, Kind.TRUNCATED) for chain in who.chains
    }
    assert len(found.chains) == 3


def test_another_store_of_the_same_home_is_not_taken_for_this_one(home, seal, tmp_path):
    """A head file says nothing of a store with other keys; where that one has a life, it is said."""
    copy, other = copy_of(home, tmp_path / "copy"), tmp_path / "other"
    other.mkdir()
    asyncio.run(written(other, seal, 0, 3))
    (copy / "broker.db").write_bytes((other / "broker.db").read_bytes())
    assert [one.kind for one in checked(copy, seal).findings] == [Kind.HEAD_FORGED]
