"""Master keys, their ids, and the keys derived from them."""

import pickle

import pytest

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
