"""Machine credentials at work: what is made counts at once, and what it replaces does not."""

import os

import pytest
import pytest_asyncio

from broker.domain.apikey import new_key
from broker.domain.machine import MOST_LIVE
from broker.domain.roster import Roster
from broker.ops.machines import Machinery
from broker.store.machines import KEPT_ENDED
from broker.store.store import Store
from fetchtoken.domain.errors import ConfigError, Denied
from tests.support.records import NOW, RECORD, a_login, new_seal, store_url

ADDED = RECORD._replace(action="machine.added")


class Marks:
    """Remembers the newest revision that it was told of."""

    def __init__(self):
        self.newest = 0

    async def reached(self, revision):
        self.newest = revision


@pytest_asyncio.fixture
async def store(tmp_path):
    opened = await Store.open(store_url(tmp_path), new_seal(), now=lambda: NOW)
    await opened.add_account("work", a_login(), RECORD)
    await opened.add_client("ci", new_key("cbk", os.urandom), RECORD, accounts={1})
    yield opened
    await opened.close()


@pytest.fixture
def roster():
    return Roster()


@pytest.fixture
def marks():
    return Marks()


@pytest.fixture
def replaced(store, roster, marks):
    """Makes a credential of the client for its only account."""
    machinery = Machinery(store, roster, None, marks, lambda: NOW)

    async def replaced(name="laptop", **changes):
        wish = {"client": 1, "account": 1, "name": name, "expires_at": NOW + 9}
        return await machinery.replace(new_key("cbr", os.urandom), ADDED, **(wish | changes))

    return replaced


async def test_what_is_made_is_known_at_once(store, roster, marks, replaced):
    """The roster has it and the end of what it replaced, and the home notes how far its store is."""
    first = await replaced()
    assert roster.machine_by_key(first.key_id) == first
    second = await replaced()
    assert roster.machine(first.id).revoked_at == NOW
    assert roster.machine(second.id).revoked_at is None
    assert tuple(roster.machines_of(1)) == (await store.snapshot()).machines
    assert marks.newest == second.revision == await store.change_counter()


async def test_memory_keeps_what_the_store_keeps(store, roster, replaced):
    """A machine that enrols for ever holds neither."""
    for _ in range(KEPT_ENDED + 5):
        await replaced()
    assert len(roster.machines_of(1)) == KEPT_ENDED + 1
    assert tuple(roster.machines_of(1)) == (await store.snapshot()).machines


async def test_what_is_refused_changes_nothing(roster, marks, replaced):
    """One more than may be, or a key that is the client's no more."""
    for number in range(MOST_LIVE):
        await replaced(f"m{number}")
    before = (roster.machines_of(1), marks.newest)
    with pytest.raises(ConfigError):
        await replaced("another")
    with pytest.raises(Denied):
        await replaced("m1", from_key="a former key")
    assert (roster.machines_of(1), marks.newest) == before
