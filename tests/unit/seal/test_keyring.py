"""Master keys, their ids, and the keys derived from them."""

import pickle

import pytest

from broker.seal.box import Seal, key_id_of_box
from broker.seal.keyring import Keyring, derive, key_id_of
from fetchtoken.domain.errors import ConfigError

KEY = bytes(range(32))
OTHER = bytes(range(1, 33))


def test_derivation_is_fixed():
    """Derived keys never change between versions: what was sealed and hashed depends on them."""
    assert key_id_of(KEY) == "5ff7e269"
    assert derive(KEY, "seal").hex()[:16] == "2b815b728872883e"
    assert derive(KEY, "fingerprint").hex()[:16] == "e31f61e4e7c2b5b2"


def test_purposes_have_keys_of_their_own():
    """No two purposes share a key, and none is the master key."""
    keys = {derive(KEY, purpose) for purpose in ("seal", "journal", "api-key-hash", "fingerprint", "key id")}
    assert len(keys | {KEY}) == 6


def test_a_ring_derives_from_the_current_key_unless_told():
    """Without a key id the current key is meant; with one, that one."""
    first, second = key_id_of(KEY), key_id_of(OTHER)
    ring = Keyring({first: KEY, second: OTHER}, second, "test.key")
    assert ring.derive("journal") == derive(OTHER, "journal")
    assert ring.derive("journal", first) == derive(KEY, "journal")
    assert ring.ids == {first, second}


def test_a_missing_key_is_named():
    """A key id that is not on the ring is a matter of configuration, named with its file."""
    ring = Keyring.new(lambda n: KEY[:n], "/home/x/master.key")
    with pytest.raises(ConfigError, match=r"deadbeef.*/home/x/master\.key") as caught:
        ring.derive("seal", "deadbeef")
    assert caught.value.code == "sealed"


def test_a_ring_does_not_show_its_keys():
    """Neither printing nor pickling gives a key away."""
    ring = Keyring.new(lambda n: KEY[:n], "test.key")
    assert KEY.hex() not in repr(ring)
    assert "keys" not in repr(ring)
    with pytest.raises(TypeError):
        pickle.dumps(ring)


def test_a_change_is_in_force_at_once_for_all_who_use_the_ring():
    """Seals and journals hold the ring, not its keys: they seal with the new key from that moment."""
    ring = Keyring.new(lambda n: KEY[:n], "test.key", 5.0)
    seal = Seal(ring)
    old = seal.close(b"x", "c")
    ring.take(ring.and_new(lambda n: OTHER[:n], 6.0))
    new = seal.close(b"x", "c")
    assert [key_id_of_box(box) for box in (old, new)] == [key_id_of(KEY), key_id_of(OTHER)]
    assert [seal.open(box, "c") for box in (old, new)] == [b"x", b"x"]
    assert ring.derive_current("journal") == (key_id_of(OTHER), derive(OTHER, "journal"))
    assert ring.derive_all("journal") == {key_id_of(key): derive(key, "journal") for key in (KEY, OTHER)}
    assert (ring.since(key_id_of(KEY)), ring.since(key_id_of(OTHER))) == (5.0, 6.0)


def test_a_key_that_was_taken_off_opens_nothing_more():
    """Even a box that was opened a moment ago: what a restart would not open, nothing opens."""
    ring = Keyring.new(lambda n: KEY[:n], "test.key")
    seal = Seal(ring)
    box = seal.close(b"x", "c")
    ring.take(ring.and_new(lambda n: OTHER[:n], 0.0))
    assert seal.open(box, "c") == b"x"
    ring.take(ring.without({key_id_of(KEY)}))
    with pytest.raises(ConfigError, match=key_id_of(KEY)):
        seal.open(box, "c")


def test_the_current_key_is_never_taken_off():
    """A ring without its current key could seal nothing."""
    ring = Keyring.new(lambda n: KEY[:n], "test.key")
    assert ring.without({ring.current}).ids == ring.ids
