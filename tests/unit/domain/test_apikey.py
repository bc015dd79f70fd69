"""API keys: shape, checksum, keyed hash."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.domain.apikey import hash_key, matches, new_key, parse_key

KEY = new_key("cbk", lambda n: bytes(range(1, n + 1)))
TEXT = KEY.text.reveal()


@pytest.mark.parametrize("kind", ["cbk", "cbr", "cbi"])
def test_a_new_key_parses_to_itself(kind):
    """What is made is understood again, kind, id and text."""
    key = new_key(kind, os.urandom)
    assert key.text.reveal().startswith(f"{kind}_{key.key_id}_")
    assert parse_key(key.text.reveal()) == key


@pytest.mark.parametrize("random_bytes", [lambda n: b"\0" * n, lambda n: b"\xff" * n], ids=["zeros", "ones"])
def test_extremes_of_chance_keep_the_shape(random_bytes):
    """The smallest and the largest random numbers have the same length."""
    key = new_key("cbk", random_bytes)
    assert len(key.text.reveal()) == len(TEXT)
    assert parse_key(key.text.reveal()) == key


def test_keys_hold_256_bits():
    """The secret part takes 32 bytes of chance: keys that differ in one bit of them differ."""
    seen = {
        new_key("cbk", lambda n, i=i: (1 << i).to_bytes(n) if n == 32 else b"\0" * n).text for i in range(256)
    }
    assert len(seen) == 256


@pytest.mark.parametrize("position", range(len(TEXT)))
def test_a_mistyped_key_is_noticed(position):
    """Any single wrong character is told without asking anybody."""
    wrong = "A" if TEXT[position] != "A" else "B"
    assert parse_key(TEXT[:position] + wrong + TEXT[position + 1 :]) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cbk_",
        TEXT[:-1],
        TEXT + "0",
        TEXT.replace("cbk", "sk-"),
        " " + TEXT[:-1],
        TEXT[:-1] + "\n",
        "é" * len(TEXT),
    ],
)
def test_other_texts_are_no_keys(text):
    """Cut, longer, foreign or decorated texts are refused."""
    assert parse_key(text) is None


@given(st.text(max_size=90))
def test_any_text_is_a_key_or_none(text):
    """No text makes the parser fail."""
    key = parse_key(text)
    assert key is None or key.text.reveal() == text


def test_only_the_same_key_matches():
    """The stored hash matches its key and no other, and depends on the hashing key."""
    under = os.urandom(32)
    stored = hash_key(KEY, under)
    assert matches(KEY, under, stored)
    assert not matches(new_key("cbk", os.urandom), under, stored)
    assert not matches(KEY, os.urandom(32), stored)
    assert not matches(KEY, under, b"")


def test_the_hash_does_not_hold_the_key():
    """What is stored shows nothing of the key, and the key does not print itself."""
    assert TEXT.encode() not in hash_key(KEY, b"k" * 32)
    assert TEXT not in repr(KEY)
