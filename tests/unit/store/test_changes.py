"""How other processes notice changes."""

import os

from broker.domain.account import State
from broker.domain.apikey import new_key
from broker.domain.roster import Roster
from tests.support.records import RECORD, a_login


async def _add(store, name):
    return await store.add_account(name, a_login(name, account_id=f"acct-{name}"), RECORD)


async def test_every_change_counts(store, other):
    """Each change by one process moves the counter that another one reads."""
    seen = [await other.change_counter()]
    account = await _add(store, "a")
    seen.append(await other.change_counter())
    client = await store.add_client("ci", new_key("cbk", os.urandom), RECORD, accounts={account.id})
    seen.append(await other.change_counter())
    await store.set_flags(account.id, RECORD, disabled=True)
    seen.append(await other.change_counter())
    await store.arm(account, to=State.REFRESHING, attempt_id="a", journal_id="j", lease_s=90, audit=RECORD)
    seen.append(await other.change_counter())
    await store.revoke_client(client.id, RECORD)
    seen.append(await other.change_counter())
    await store.remove_account(account.id, RECORD)
    seen.append(await other.change_counter())
    assert seen == sorted(set(seen))


async def test_reading_counts_nothing(store):
    """Looking does not make others look."""
    await _add(store, "a")
    before = await store.change_counter()
    await store.snapshot()
    await store.changes(0)
    await store.list_audit()
    assert await store.change_counter() == before


async def test_changes_hold_only_what_is_newer(store, other):
    """From a revision on there is only what changed since, and nothing when nothing did."""
    await _add(store, "a")
    seen = await other.snapshot()
    second = await _add(store, "b")
    newer = await other.changes(seen.revision)
    assert (newer.whole, newer.accounts, newer.clients) == (False, (second,), ())
    assert (await other.changes(newer.revision)).accounts == ()


async def test_a_follower_ends_where_a_newcomer_begins(store, other):
    """A roster that followed every change equals one that read everything at the end."""
    follower, newcomer = Roster(), Roster()
    follower.apply(await other.snapshot())
    first, second = await _add(store, "a"), await _add(store, "b")
    client = await store.add_client(
        "ci", new_key("cbk", os.urandom), RECORD, accounts={first.id, second.id}, default_account=first.id
    )
    follower.apply(await other.changes(follower.revision))
    await store.set_flags(second.id, RECORD, name="z")
    await store.remove_account(first.id, RECORD)
    await store.rotate_client(client.id, new_key("cbk", os.urandom), RECORD)
    follower.apply(await other.changes(follower.revision))
    newcomer.apply(await other.snapshot())
    assert follower.accounts() == newcomer.accounts()
    assert follower.clients() == newcomer.clients()
    assert follower.revision == newcomer.revision
    assert follower.account("a") is None
    assert follower.client("ci").accounts == {second.id}
