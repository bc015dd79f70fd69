"""The read model: finding, changing, forgetting, and never going back."""

from broker.domain.account import State
from broker.domain.records import Snapshot
from broker.domain.roster import Roster
from tests.support.records import a_client, an_account


def _whole(*accounts, clients=(), revision=10):
    return Snapshot(revision=revision, whole=True, accounts=accounts, clients=tuple(clients))


def test_accounts_are_found_by_name_and_id():
    """An account that was put in is found both ways, and listed by name."""
    roster = Roster()
    roster.put_account(an_account(id=2, name="b"))
    roster.put_account(an_account(id=1, name="a"))
    assert roster.account("b") is roster.account_by_id(2)
    assert [account.name for account in roster.accounts()] == ["a", "b"]
    assert roster.account("c") is None
    assert roster.account_by_id(3) is None


def test_a_renamed_account_loses_its_old_name():
    """After a rename only the new name finds it."""
    roster = Roster()
    roster.put_account(an_account(name="old"))
    roster.put_account(an_account(name="new", revision=2))
    assert roster.account("old") is None
    assert roster.account("new").id == 1


def test_names_that_were_swapped_find_their_new_owners():
    """Two renames in one batch, in whatever order they come, leave both names right."""
    roster = Roster()
    roster.apply(_whole(an_account(id=1, name="a"), an_account(id=2, name="b")))
    roster.apply(_whole(an_account(id=1, name="b", revision=2), an_account(id=2, name="a", revision=3)))
    assert (roster.account("a").id, roster.account("b").id) == (2, 1)


def test_an_older_record_is_ignored():
    """A slow reader does not undo what a faster one brought."""
    roster = Roster()
    roster.put_account(an_account(generation=4, revision=5))
    roster.put_account(an_account(generation=3, revision=4))
    roster.put_client(a_client(revoked_at=1.0, revision=5))
    roster.put_client(a_client(revision=4))
    assert roster.account("work").generation == 4
    assert roster.client("ci").revoked_at == 1.0


def test_a_removed_account_does_not_come_back():
    """A record that arrives after the removal is ignored: row ids are never used again."""
    roster = Roster()
    roster.put_account(an_account())
    roster.drop_account(1)
    roster.put_account(an_account(revision=9))
    assert roster.account("work") is None
    roster.put_account(an_account(id=2, revision=10))
    assert roster.account("work").id == 2


def test_clients_are_found_by_key_and_name():
    """A client is found by the id of its key; after a rotation only by the new one."""
    roster = Roster()
    roster.put_client(a_client())
    assert roster.client_by_key("key-1") is roster.client("ci")
    roster.put_client(a_client(key_id="key-2", revision=2))
    assert roster.client_by_key("key-1") is None
    assert roster.client_by_key("key-2").id == 1
    assert [client.name for client in roster.clients()] == ["ci"]


def test_a_dropped_client_is_not_found():
    """A removed client is gone from every way of finding it, for good."""
    roster = Roster()
    roster.put_client(a_client())
    roster.drop_client(1)
    roster.put_client(a_client(revision=2))
    assert (roster.client("ci"), roster.client_by_key("key-1"), roster.clients()) == (None, None, [])


def test_a_whole_snapshot_removes_what_it_lacks():
    """What a snapshot of everything does not hold was removed."""
    roster = Roster()
    roster.apply(_whole(an_account(), clients=[a_client()]))
    roster.apply(_whole(revision=11))
    assert (roster.accounts(), roster.clients(), roster.revision) == ([], [], 11)


def test_a_whole_snapshot_keeps_what_is_newer_than_itself():
    """A record written after the snapshot was taken stays."""
    roster = Roster()
    roster.put_account(an_account(revision=12))
    roster.put_client(a_client(revision=12))
    roster.apply(_whole(revision=11))
    assert roster.account("work") is not None
    assert roster.client("ci") is not None


def test_changes_name_what_was_removed():
    """A partial snapshot changes what it holds, removes what it names and leaves the rest."""
    roster = Roster()
    roster.apply(
        _whole(
            an_account(),
            an_account(id=2, name="b"),
            clients=[a_client(), a_client(id=2, name="d", key_id="k2")],
        )
    )
    roster.apply(
        Snapshot(
            revision=12,
            whole=False,
            accounts=(an_account(disabled=True, revision=12),),
            clients=(),
            removed_accounts=frozenset({2}),
            removed_clients=frozenset({2}),
        )
    )
    assert [(account.name, account.disabled) for account in roster.accounts()] == [("work", True)]
    assert [client.name for client in roster.clients()] == ["ci"]
    assert roster.revision == 12


def test_what_is_unsettled_or_sealed_is_known_without_a_search():
    """It follows each change, and is forgotten with its account."""
    roster = Roster()
    roster.put_account(an_account(id=1, name="a", state=State.REFRESHING))
    roster.put_account(an_account(id=2, name="b", state=State.IN_DOUBT, sealed=True))
    roster.put_account(an_account(id=3, name="c", state=State.LOGIN_REQUIRED))
    assert (roster.unsettled(), roster.sealed()) == ({1, 2}, {2})
    roster.put_account(an_account(id=1, name="a", revision=2))
    roster.drop_account(2)
    assert (roster.unsettled(), roster.sealed()) == (set(), set())
