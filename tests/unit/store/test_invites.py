"""Invites in a real store: one client for each code, whatever is sent how often and by how many."""

import asyncio
import os

import pytest

from broker.domain.apikey import matches, new_key, parse_key
from broker.domain.audit import Action
from broker.domain.records import AuditRecord
from broker.domain.secondlife import Why
from broker.store.dump import dump, lines_of
from broker.store.engine import Database
from broker.store.enrolment import invite, redeem, revoke_invite, waiting
from broker.store.lives import Cause, void_invites
from broker.store.migrations import HEAD
from broker.store.restoring import restore_store
from broker.store.store import Store
from fetchtoken.domain.errors import ConfigError, NotFound
from fetchtoken.domain.keytext import checksum
from fetchtoken.domain.secret import Secret
from tests.support.records import NOW, RECORD, a_login, store_url

MINE, OTHER = Secret("m" * 64), Secret("o" * 64)
JOIN = AuditRecord(at=NOW, action=Action.INVITE_USED, peer="10.0.0.1", detail="host box")
DAY = 86_400.0


async def invited(store, name="laptop", *, accounts=2, **changes):
    """Make accounts and an invite for them; return its code."""
    ids = set()
    for number in range(accounts):
        held = [one for one in (await store.snapshot()).accounts if one.name == f"work{number}"]
        login = a_login(f"{number}", account_id=f"acct-{number}", user_id=f"user-{number}")
        ids.add((held or [await store.add_account(f"work{number}", login, RECORD)])[0].id)
    code = new_key("cbi", os.urandom)
    known = {
        "accounts": ids,
        "default_account": min(ids, default=None),
        "scopes": {"token"},
        "expires_at": NOW + DAY,
    }
    made = RECORD._replace(action=Action.INVITE_MADE, client=name, account="")
    await invite(store, name, code, made, **(known | changes))
    return code


async def trail(store):
    """Return what the trail says of invites and clients."""
    words = ("invite.", "client.")
    return [
        (one.action, one.client, one.outcome, one.detail)
        for one in await store.list_audit()
        if one.action.startswith(words)
    ]


async def test_a_code_makes_its_client_with_its_grants(store):
    """Name, grants, default and scopes are the invite's; the key that is told is the one that is stored."""
    code = await invited(store, scopes={"token", "quota"})
    joined = await redeem(store, code, MINE, JOIN)
    assert joined.first
    assert joined.accounts == ("work0", "work1")
    client = joined.client
    assert (client.name, client.scopes, client.expires_at) == ("laptop", {"token", "quota"}, None)
    assert client.default_account in client.accounts
    key = (await redeem(store, code, MINE, JOIN)).api_key
    assert key == joined.api_key
    assert matches(parse_key(key.reveal()), store.api_key_hash_key, client.key_hash)
    assert await waiting(store) == []


async def test_the_trail_tells_each_step(store):
    """Made, used with its client, told again, and refused with the reason."""
    code = await invited(store)
    for nonce in (MINE, MINE, OTHER):
        await redeem(store, code, nonce, JOIN)
    assert await trail(store) == [
        ("invite.made", "laptop", "ok", "test"),
        ("invite.used", "laptop", "ok", "host box"),
        ("client.added", "laptop", "ok", "by invite"),
        ("invite.used", "laptop", "ok", "told again"),
        ("invite.refused", "laptop", "used", "host box"),
    ]


async def test_an_unknown_code_leaves_nothing(store):
    """Guesses, a known id with another secret included, write nothing: neither change nor record."""
    code = await invited(store)
    body = f"cbi_{code.key_id}_{'0' * 22}"
    before = (await store.change_counter(), await trail(store))
    for guess in (new_key("cbi", os.urandom), parse_key(body + checksum(body))):
        assert await redeem(store, guess, MINE, JOIN) is None
    assert (await store.change_counter(), await trail(store)) == before
    assert await redeem(store, code, MINE, JOIN) is not None


async def test_twenty_machines_with_one_code_make_one_client(store, other):
    """At once and by way of two processes: one is told its key, the others are refused."""
    code = await invited(store)
    nonces = [Secret(f"{number:064d}") for number in range(20)]
    tries = [redeem((store, other)[number % 2], code, nonce, JOIN) for number, nonce in enumerate(nonces)]
    joined = [one for one in await asyncio.gather(*tries) if one is not None]
    assert len(joined) == 1
    assert len((await store.snapshot()).clients) == 1
    refused = [outcome for action, _, outcome, _ in await trail(store) if action == "invite.refused"]
    assert refused == ["used"] * 19


async def test_twenty_requests_of_one_machine_are_told_one_key(store, other):
    """The same nonce, at once: one client, and the same answer for all."""
    code = await invited(store)
    tries = [redeem((store, other)[number % 2], code, MINE, JOIN) for number in range(20)]
    joined = await asyncio.gather(*tries)
    assert len({one.api_key for one in joined}) == 1
    assert [one.first for one in joined].count(True) == 1
    assert len((await store.snapshot()).clients) == 1


@pytest.mark.parametrize("later_s", [599, 600])
async def test_a_key_is_told_again_for_ten_minutes(url, seal, later_s):
    """After them not even its own machine is told, and the client stays."""
    now = [NOW]
    opened = await Store.open(url, seal, now=lambda: now[0])
    try:
        code = await invited(opened)
        assert await redeem(opened, code, MINE, JOIN)
        now[0] += later_s
        assert (await redeem(opened, code, MINE, JOIN) is not None) is (later_s < 600)
        assert len((await opened.snapshot()).clients) == 1
    finally:
        await opened.close()


@pytest.mark.parametrize("change", ["rotate", "revoke"])
async def test_a_key_that_was_changed_since_is_not_told_again(store, change):
    """What the code made is not the client's key any more."""
    code = await invited(store)
    client = (await redeem(store, code, MINE, JOIN)).client
    if change == "rotate":
        await store.rotate_client(client.id, new_key("cbk", os.urandom), RECORD)
    else:
        await store.revoke_client(client.id, RECORD)
    assert await redeem(store, code, MINE, JOIN) is None


async def test_an_expired_code_is_refused_and_recorded(store):
    """The trail says who came too late; a newer code for the same client works."""
    code = await invited(store, expires_at=NOW)
    assert await redeem(store, code, MINE, JOIN) is None
    assert (await trail(store))[-1] == ("invite.refused", "laptop", "expired", "host box")
    assert await redeem(store, await invited(store), MINE, JOIN) is not None


async def test_a_newer_code_ends_the_earlier_one(store):
    """There is one code for a client at a time."""
    first = await invited(store)
    second = await invited(store)
    assert await redeem(store, first, MINE, JOIN) is None
    assert await redeem(store, second, MINE, JOIN) is not None
    assert ("invite.ended", "laptop", "ok", "replaced") in await trail(store)


async def test_a_revoked_code_is_refused(store):
    """It is gone from the list at once; a second order finds nothing."""
    code = await invited(store)
    await revoke_invite(store, "laptop", RECORD)
    assert await waiting(store) == []
    assert await redeem(store, code, MINE, JOIN) is None
    assert (await trail(store))[-1] == ("invite.refused", "laptop", "ended", "host box")
    with pytest.raises(NotFound):
        await revoke_invite(store, "laptop", RECORD)


async def test_what_was_removed_since_is_not_granted(store):
    """An account that went since is left out."""
    code = await invited(store)
    names = {one.name: one.id for one in (await store.snapshot()).accounts}
    await store.remove_account(names["work0"], RECORD)
    assert (await redeem(store, code, MINE, JOIN)).accounts == ("work1",)


async def test_a_code_whose_accounts_are_all_gone_is_refused(store):
    """It would make a client that may nothing."""
    code = await invited(store, accounts=1)
    (account,) = (await store.snapshot()).accounts
    await store.remove_account(account.id, RECORD)
    assert await redeem(store, code, MINE, JOIN) is None
    assert (await store.snapshot()).clients == ()


async def test_names_are_taken_by_clients_and_by_codes(store):
    """No client takes the name of a code that waits, no code that of a client."""
    await invited(store)
    with pytest.raises(ConfigError, match="invite") as caught:
        await store.add_client("laptop", new_key("cbk", os.urandom), RECORD, accounts=set())
    assert "client revoke laptop" in caught.value.hint
    await store.add_client("taken", new_key("cbk", os.urandom), RECORD, accounts=set())
    with pytest.raises(ConfigError, match="already"):
        await invited(store, "taken")


async def test_old_invites_are_forgotten_with_the_next_one(store, sql):
    """A month after its end nobody asks any more who tried a code."""
    await invited(store, "old", expires_at=NOW - 31 * DAY)
    await invited(store, "recent", expires_at=NOW - 29 * DAY)
    await invited(store)
    assert sql("SELECT name FROM invites ORDER BY name") == [("laptop",), ("recent",)]


@pytest.mark.parametrize("used", [True, False])
async def test_a_restored_code_does_not_come_back_to_life(store, seal, tmp_path, used):
    """Whether it was used since the backup is not in it, so it is void; a used one stays used."""
    code = await invited(store)
    pieces: list[bytes] = []
    if used:
        await redeem(store, code, MINE, JOIN)
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
        assert await waiting(second) == []
        assert await redeem(second, code, OTHER, JOIN) is None
        assert len((await second.snapshot()).clients) == (1 if used else 0)
    finally:
        await second.close()


async def test_a_second_life_of_the_store_ends_the_codes_in_it(store):
    """Each is recorded as ended, with the reason, once."""
    code = await invited(store)
    cause = Cause(why=Why.PUT_BACK, at=NOW)
    assert await void_invites(store, cause) == ["laptop"]
    assert await void_invites(store, cause) == []
    assert await redeem(store, code, MINE, JOIN) is None
    assert ("invite.ended", "laptop", "ok", "store_put_back") in await trail(store)


async def test_neither_code_nor_nonce_is_in_the_store(store, tmp_path):
    """The file holds keyed hashes only, and no key that was told."""
    code = await invited(store)
    joined = await redeem(store, code, MINE, JOIN)
    await store.close()
    held = b"".join(path.read_bytes() for path in tmp_path.glob("broker.db*"))
    for secret in (code.text, MINE, joined.api_key):
        assert secret.reveal()[16:].encode() not in held
