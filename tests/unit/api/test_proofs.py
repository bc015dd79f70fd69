"""Recognising a key that passed before: never longer than the hash that it passed against."""

import os

from broker.api.proofs import Proofs
from broker.domain.apikey import hash_key, new_key
from broker.domain.roster import Roster
from tests.unit.api.world import World

UNDER = os.urandom(32)


def held(world, key, **changes):
    """Put a client into the roster whose stored hash is that of the key."""
    world.keys["laptop"] = key
    world.client(key_hash=hash_key(key, UNDER), **changes)
    return world.roster.client("laptop")


def test_a_key_is_found_again_and_a_changed_one_is_not():
    """The second time goes by the fingerprint; each altered character fails both ways."""
    world, key = World(), new_key("cbk", os.urandom)
    client, proofs = held(world, key), Proofs(world.roster, UNDER)
    text = key.text.reveal()
    for _ in range(3):
        assert proofs.client(text) is client
        for place in range(len(text)):
            other = text[:place] + ("x" if text[place] != "x" else "y") + text[place + 1 :]
            assert proofs.client(other) is None
        for other in (text[:-1], text + "x", text + "\n", "", text.upper(), text * 2, "é" * 65):
            assert proofs.client(other) is None


def test_a_new_stored_hash_ends_the_old_key_at_once():
    """What once passed counts for nothing against another hash, even under the same key id."""
    world, key = World(), new_key("cbk", os.urandom)
    held(world, key)
    proofs = Proofs(world.roster, UNDER)
    assert proofs.client(key.text.reveal()) is not None
    world.client(key_hash=os.urandom(32))
    assert proofs.client(key.text.reveal()) is None


def test_a_removed_client_is_not_found():
    """The roster is asked each time."""
    world, key = World(), new_key("cbk", os.urandom)
    client, proofs = held(world, key), Proofs(world.roster, UNDER)
    assert proofs.client(key.text.reveal()) is client
    world.roster.drop_client(client.id)
    assert proofs.client(key.text.reveal()) is None


def test_a_machine_credential_is_no_api_key():
    """A cbr_ text under a client's key id and hash is refused all the same."""
    world, key = World(), new_key("cbr", os.urandom)
    held(world, key)
    assert Proofs(world.roster, UNDER).client(key.text.reveal()) is None


def test_the_memory_of_passed_keys_is_bounded_by_the_clients_there_are():
    """Clients that come and go leave nothing behind."""
    roster = Roster()
    proofs = Proofs(roster, UNDER)
    for number in range(1, 60):
        world, key = World(), new_key("cbk", os.urandom)
        world.roster = roster
        held(world, key, id=number, name=f"job{number}", key_id=key.key_id)
        client = roster.client(f"job{number}")
        assert proofs.client(key.text.reveal()) is client
        roster.drop_client(number)
    assert len(proofs._passed) <= 3
