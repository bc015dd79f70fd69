"""Device logins in a real store: how many wait, what of them is kept, and for how long."""

import asyncio
import os

import pytest

from broker.domain.device import ALIVE_IN_ALL, ALIVE_OF_ADDRESS, DeviceState, Hashed
from broker.domain.secondlife import Why
from broker.store.approval import look_at_device
from broker.store.devices import ask_device, find_device
from broker.store.dump import dump, lines_of
from broker.store.engine import Database
from broker.store.lives import Cause, void_invites
from broker.store.migrations import HEAD
from broker.store.restoring import restore_store
from broker.store.store import Store
from tests.support.devices import Logins
from tests.support.records import NOW, RECORD, store_url

DAY = 86_400.0


@pytest.fixture
def seal(template):
    return template.seal


@pytest.fixture
def url(template, tmp_path):
    return template.copied(tmp_path)


async def asked(store, **changes):
    known = {
        "client_id": "app_x",
        "address": "192.0.2.7",
        "limited_by": "192.0.2.7",
        "now_s": NOW,
        "random_bytes": os.urandom,
    }
    return await ask_device(store, **(known | changes))


async def test_a_request_waits_under_its_three_secrets(store):
    """Who asked, when and until when; it is found by each secret as what that is, and as nothing else."""
    new = await asked(store)
    found = await find_device(store, Hashed.DEVICE, new.device)
    assert (found.address, found.client_id, found.created_at) == ("192.0.2.7", "app_x", NOW)
    assert (found.state, found.expires_at) == (DeviceState.WAITING, NOW + 600)
    assert found.expires_at == new.expires_at
    assert await find_device(store, Hashed.USER, new.user_code) == found
    for what, text in ((Hashed.USER, new.device), (Hashed.CODE, new.device), (Hashed.TICKET, new.user_code)):
        assert await find_device(store, what, text) is None


async def test_asking_leaves_no_record_and_no_change(store):
    """Anyone may ask: neither the trail nor those who follow changes feel it."""
    before = (await store.change_counter(), await store.list_audit())
    await asked(store)
    assert (await store.change_counter(), await store.list_audit()) == before


async def test_an_address_has_ten_that_wait(store):
    """An eleventh is not stored; another address is unharmed; what has expired makes room."""
    for _ in range(ALIVE_OF_ADDRESS):
        assert await asked(store)
    assert await asked(store) is None
    assert await asked(store, limited_by="198.51.100.1")
    assert await asked(store, now_s=NOW + 600)


async def test_asked_at_once_and_of_two_processes_no_more_get_through(store, other):
    """They are counted where they are added."""
    made = await asyncio.gather(*(asked((store, other)[number % 2]) for number in range(30)))
    assert len([one for one in made if one]) == ALIVE_OF_ADDRESS


async def test_all_addresses_together_are_bounded_too(store, sql):
    """However many there are."""
    new = await asked(store)
    sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        " INSERT INTO device_requests (device_hash, user_hash, code_hash, limited_by,"
        " client_id, address, created_at, expires_at, wrong, state, machine)"
        " SELECT randomblob(32), randomblob(32), randomblob(32), i,"
        " client_id, address, created_at, expires_at, wrong, state, machine FROM n, device_requests",
        ALIVE_IN_ALL - 1,
    )
    assert await asked(store, limited_by="198.51.100.1") is None
    sql("UPDATE device_requests SET state = 'denied' WHERE id = (SELECT max(id) FROM device_requests)")
    assert await asked(store, limited_by="198.51.100.1")
    assert await find_device(store, Hashed.DEVICE, new.device)


async def test_a_user_code_that_waits_is_not_given_out_again(store):
    """Where chance repeats itself, it is asked again."""
    first = await asked(store)
    same = Logins.chance_of(first.user_code)
    draws = iter([os.urandom(32), same, same, b"fresh"])
    second = await asked(store, random_bytes=lambda _: next(draws))
    assert second.user_code != first.user_code
    assert next(draws, None) is None


@pytest.mark.parametrize(
    ("state", "age_s", "kept"),
    [
        ("waiting", 600 + 899, True),
        ("waiting", 600 + 901, False),
        ("denied", 600 + 901, False),
        ("approved", 600 + 901, False),
        ("void", 600 + 901, False),
        ("spent", 600 + 901, True),
        ("spent", 30 * DAY + 601, False),
    ],
)
async def test_what_is_over_goes_as_new_ones_come(store, sql, state, age_s, kept):
    """Kept for as long as Codex waits; one that brought a credential for as long as that may live."""
    old = await asked(store)
    sql("UPDATE device_requests SET state = ?", state)
    await asked(store, now_s=NOW + age_s)
    assert (await find_device(store, Hashed.DEVICE, old.device) is not None) is kept


async def test_no_secret_of_a_request_is_in_the_store(store, tmp_path):
    """The file holds keyed hashes of all, and neither code nor verifier."""
    logins = await Logins.of(store)
    new, offer = await logins.offered()
    await store.close()
    held = b"".join(path.read_bytes() for path in tmp_path.glob("broker.db*"))
    secrets = [new.device, new.user_code, offer.ticket, *logins.pair_of(new)]
    assert [secret for secret in secrets if secret.reveal().encode() in held] == []


@pytest.mark.parametrize("state", ["waiting", "approved", "denied", "spent"])
async def test_a_second_life_of_the_store_ends_what_was_not_spent(store, sql, state):
    """An approval may have been used in the first one; a replay is still known as one."""
    new = await asked(store)
    sql("UPDATE device_requests SET state = ?", state)
    await void_invites(store, Cause(why=Why.PUT_BACK, at=NOW))
    after = (await find_device(store, Hashed.DEVICE, new.device)).state
    assert after == {"waiting": "void", "approved": "void"}.get(state, state)


@pytest.mark.parametrize("state", ["waiting", "approved", "spent"])
async def test_a_restored_login_does_not_come_back_to_life(store, sql, seal, tmp_path, state):
    """Whether it was spent since the backup is not in it; nor does a ticket count in the other store."""
    logins = await Logins.of(store)
    new, _ = await logins.offered()
    sql("UPDATE device_requests SET state = ?", state)
    pieces: list[bytes] = []
    async with store.database.read() as connection:
        await dump(connection, pieces.append)
    (tmp_path / "second").mkdir()
    target = Database(store_url(tmp_path / "second"))
    try:
        lines = lines_of([b"".join(pieces)])
        await restore_store(target, seal, lines, schema=HEAD, name="FILE", made_at="then")
    finally:
        await target.close()
    second = await Store.open(store_url(tmp_path / "second"), seal, now=lambda: NOW, restored=True)
    try:
        found = await find_device(second, Hashed.DEVICE, new.device)
        assert found.state == ("spent" if state == "spent" else "void")
        assert await look_at_device(second, new.user_code, logins.codes[-1], RECORD) == "invite"
    finally:
        await second.close()
