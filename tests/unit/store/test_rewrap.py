"""Sealing a store anew under another key: every box, nothing but boxes, beside other writers."""

import asyncio
import os

import pytest
from sqlalchemy import LargeBinary, select

from broker.domain.account import Event, State
from broker.seal.box import Seal, key_id_of_box
from broker.store.rewrap import Step, boxes_by_key, is_any_left, rewrap_some
from broker.store.sealed import SEALED
from broker.store.store import Store
from broker.store.tables import metadata
from tests.support.records import NOW, RECORD, a_login, tokens

NO_BOXES = {
    "clients.key_hash",
    "machines.key_hash",
    "invites.code_hash",
    "invites.nonce_hash",
    "device_requests.device_hash",
    "device_requests.user_hash",
    "device_requests.code_hash",
    "device_requests.ticket_hash",
    "accounts.fingerprint",
    "spent.fingerprint",
    "audit.mac",
    "audit_heads.mac",
}
"""Binary columns that hold keyed hashes: their keys outlive master keys."""


def columns():
    return {
        f"{table.name}.{column.name}"
        for table in metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary)
    }


def listed():
    return {f"{sealed.table.name}.{name}" for sealed in SEALED for name in sealed.contexts}


async def fill(store, count=1):
    """Give a store a box in every column that takes one; return its accounts."""
    held = []
    for number in range(count):
        login = a_login(f"{number}-0", account_id=f"acct-{number}", user_id=f"user-{number}")
        account = await store.add_account(f"work-{number}", login, RECORD)
        await store.keep_adopted(account, "/home/x/auth.json", '{"a": "ü"}')
        await rotate(store, account, f"{number}-1")
        late = tokens("late", account_id=f"acct-{number}", user_id=f"user-{number}")
        assert await store.commit_tokens(account, "another", Event.TOKENS, late, RECORD) is None
        held.append(account.id)
    return held


async def rotate(store, account, word):
    armed = await store.arm(
        account, to=State.REFRESHING, attempt_id=word, journal_id="j", lease_s=90, audit=RECORD
    )
    new = tokens(word, account_id=account.account_id, user_id=account.user_id)
    return await store.commit_tokens(armed, word, Event.TOKENS, new, RECORD)


async def counted(store):
    async with store.database.read() as connection:
        return await boxes_by_key(connection)


async def contents(store, seal):
    """Return what every box of a store holds, by its context."""
    found = {}
    async with store.database.read() as connection:
        for sealed in SEALED:
            for row in await connection.execute(select(sealed.table)):
                for name, context in sealed.contexts.items():
                    if (box := row._mapping[name]) is not None:
                        found[context(row)] = seal.open(box, context(row))
    return found


async def rewrap(store, seal):
    """Go through the store once; return the steps that did something."""
    steps, after = [], ""
    while (step := await rewrap_some(store.database, seal, after)).after:
        steps.append(step)
        after = step.after
    return steps


@pytest.fixture
def turn(seal):
    """Make another key current, and return the former one's id and the new one's."""

    def act():
        former = seal.keys.current
        seal.keys.take(seal.keys.and_new(os.urandom, NOW))
        return former, seal.keys.current

    return act


def test_every_binary_column_is_a_listed_box_or_a_known_hash():
    """A new column of boxes must come onto the list, or its boxes stay behind under a retired key."""
    assert listed() == columns() - NO_BOXES


async def test_the_listed_contexts_are_those_that_boxes_are_sealed_as(store, seal):
    """Each column is filled as the store itself fills it, and each box opens by its listed context."""
    await fill(store)
    found = await contents(store, seal)
    assert {context.partition(":")[0] for context in found} == {"meta", "account", "orphan", "adopted"}
    assert len(found) == 6


async def test_every_box_comes_under_the_new_key_and_holds_what_it_held(store, seal, turn):
    """Not one box is left under the old key, and not one says anything else than before."""
    await fill(store, count=3)
    before, kept = await contents(store, seal), await store.snapshot()
    former, current = turn()
    assert await counted(store) == {former: 16}
    assert await is_any_left(store.database, seal)

    steps = await rewrap(store, seal)

    assert sum(step.rewrapped for step in steps) == 16
    assert await counted(store) == {current: 16}
    assert not await is_any_left(store.database, seal)
    assert await rewrap(store, seal) == []
    seal.keys.take(seal.keys.without({former}))
    assert await contents(store, seal) == before
    assert await store.snapshot() == kept, "no revision is counted: nothing changed for anybody"


async def test_steps_are_small(store, seal, turn, monkeypatch):
    """However large the store, one transaction holds a few rows, and the steps go through all of it."""
    monkeypatch.setattr("broker.store.rewrap._ROWS", 2)
    await fill(store, count=5)
    turn()
    steps = await rewrap(store, seal)
    assert max(step.rewrapped for step in steps) <= 6
    assert sum(step.rewrapped for step in steps) == 26


async def test_a_row_that_changes_meanwhile_is_left_to_whoever_changed_it(store, seal, turn, monkeypatch):
    """Between reading and writing back a rotation comes in: its tokens stand, under the new key."""
    (held,) = await fill(store)
    _, current = turn()
    write, interfered = store.database.write, []

    def write_later():
        async def interfere():
            account = (await store.snapshot()).accounts[0]
            await rotate(store, account, "meanwhile")

        class Later:
            async def __aenter__(self):
                monkeypatch.setattr(store.database, "write", write)
                if not interfered:
                    interfered.append(await interfere())
                self.inner = write()
                return await self.inner.__aenter__()

            async def __aexit__(self, *error):
                return await self.inner.__aexit__(*error)

        return Later()

    step = await rewrap_some(store.database, seal)
    assert step == Step("meta hash_root", 1)
    monkeypatch.setattr(store.database, "write", write_later)
    await rewrap_some(store.database, seal, step.after)

    account = (await store.snapshot()).accounts[0]
    assert interfered
    assert (account.id, account.refresh_token.reveal()) == (held, "rt-meanwhile")
    await rewrap(store, seal)
    assert set(await counted(store)) == {current}


async def test_rotations_go_on_meanwhile(store, seal, turn, monkeypatch):
    """Under a load of rotations every box comes under the new key and the newest tokens are kept."""
    monkeypatch.setattr("broker.store.rewrap._ROWS", 1)
    await fill(store, count=4)
    _, current = turn()
    over = asyncio.Event()

    async def load():
        number = 0
        while not over.is_set() or number < 8:
            number += 1
            for account in (await store.snapshot()).accounts:
                await rotate(store, account, f"{account.id}-n{number}")
        return number

    working = asyncio.create_task(load())
    while await rewrap(store, seal):
        pass
    over.set()
    last = await working
    assert set(await counted(store)) == {current}
    snapshot = await store.snapshot()
    assert {a.refresh_token.reveal() for a in snapshot.accounts} == {
        f"rt-{a.id}-n{last}" for a in snapshot.accounts
    }


async def test_a_damaged_box_is_told_and_left_as_it_is(store, seal, turn, sql):
    """What does not open cannot be sealed anew; it stays under its key, and the others move."""
    await fill(store, count=2)
    former, current = turn()
    sql("UPDATE accounts SET refresh_box = substr(refresh_box, 1, 20) WHERE name = 'work-1'")
    steps = await rewrap(store, seal)
    (closed,) = [context for step in steps for context in step.closed]
    assert closed.endswith(":1:refresh")
    assert await counted(store) == {former: 1, current: 10}
    assert not await is_any_left(store.database, seal), "it cannot be sealed anew, so nothing is left to do"


async def test_a_store_of_both_keys_opens(store, url, seal, turn):
    """Stopped in the middle, the store is whole: some boxes under one key, some under the other."""
    await fill(store, count=2)
    former, current = turn()
    step = await rewrap_some(store.database, seal)
    assert set(await counted(store)) == {former, current}
    again = await Store.open(url, Seal(seal.keys), now=lambda: NOW)
    try:
        assert await again.snapshot() == await store.snapshot()
        assert step.after
        assert key_id_of_box(seal.close(b"", "x")) == current
    finally:
        await again.close()
