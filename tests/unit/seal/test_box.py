"""Boxes open only whole, under their key, as what they were sealed as."""

import os

import pytest

from broker.seal.box import Seal, key_id_of_box
from broker.seal.keyring import Keyring, key_id_of
from fetchtoken.domain.errors import ConfigError, FetchTokenError, Unsafe

CONTENT = b"rt_secret_content"
CONTEXT = "account:login-1:3:refresh"
RING = Keyring.new(os.urandom, "test.key")


@pytest.fixture
def seal():
    return Seal(RING)


def test_a_box_opens_to_what_was_put_in(seal):
    """The content comes back, and the box shows nothing of it."""
    box = seal.close(CONTENT, CONTEXT)
    assert seal.open(box, CONTEXT) == CONTENT
    assert CONTENT not in box
    assert key_id_of_box(box) == RING.current


def test_an_empty_content_is_content(seal):
    """Nothing can be sealed too."""
    assert seal.open(seal.close(b"", CONTEXT), CONTEXT) == b""


def test_equal_contents_make_different_boxes(seal):
    """Nobody can tell from two boxes that they hold the same."""
    assert seal.close(CONTENT, CONTEXT) != seal.close(CONTENT, CONTEXT)


@pytest.mark.parametrize(
    "context", ["account:login-1:4:refresh", "account:login-2:3:refresh", "account:login-1:3:access", ""]
)
def test_a_box_in_another_place_does_not_open(seal, context):
    """Another generation, login or kind is a failed integrity check that names the record."""
    with pytest.raises(Unsafe, match="failed integrity check") as caught:
        seal.open(seal.close(CONTENT, CONTEXT), context)
    assert context in str(caught.value)
    assert caught.value.code == "sealed"
    assert caught.value.exit_code == 8


BOX = Seal(RING).close(CONTENT, CONTEXT)


@pytest.mark.parametrize("position", range(len(BOX)))
def test_every_flipped_byte_is_noticed(seal, position):
    """A change anywhere, header included, keeps the box shut."""
    flipped = BOX[:position] + bytes([BOX[position] ^ 1]) + BOX[position + 1 :]
    with pytest.raises((Unsafe, ConfigError)):
        seal.open(flipped, CONTEXT)


@pytest.mark.parametrize("length", range(len(BOX)))
def test_every_cut_is_noticed(seal, length):
    """No part of a box opens."""
    with pytest.raises(FetchTokenError):
        seal.open(BOX[:length], CONTEXT)


def test_another_key_is_named():
    """A box of a key that is not on the ring says which key it needs."""
    with pytest.raises(ConfigError, match=RING.current):
        Seal(Keyring.new(os.urandom, "other.key")).open(BOX, CONTEXT)


def test_an_old_key_still_opens_and_the_current_one_seals():
    """With two keys on the ring, old boxes open and new ones name the current key."""
    key = os.urandom(32)
    both = Keyring({RING.current: RING.master(RING.current), key_id_of(key): key}, key_id_of(key), "both.key")
    seal = Seal(both)
    assert seal.open(BOX, CONTEXT) == CONTENT
    assert key_id_of_box(seal.close(CONTENT, CONTEXT)) == key_id_of(key)
