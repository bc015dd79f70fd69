"""Invites: what a code is worth, and the key that code and nonce make."""

import os

import pytest

from broker.domain.apikey import new_key, parse_key
from broker.domain.invite import TOLD_AGAIN_FOR_S, Invite, Verdict, judge, key_for, nonce_hash
from fetchtoken.domain.secret import Secret

NOW = 1_764_000_000.0
UNDER = b"k" * 32
CODE = new_key("cbi", lambda size: bytes(range(1, size + 1)))
NONCE = Secret("a" * 64)
MINE = nonce_hash(CODE, NONCE, UNDER)


def an_invite(**changes):
    """Return an invite that lives for an hour more."""
    known = {
        "id": 1,
        "name": "laptop",
        "code_id": CODE.key_id,
        "scopes": frozenset({"token"}),
        "accounts": frozenset({1}),
        "default_account": None,
        "expires_at": NOW + 3600,
        "ended": "",
        "used_at": None,
        "nonce_hash": None,
        "client": None,
        "created_at": NOW - 60,
    }
    return Invite(**(known | changes))


USED = {"used_at": NOW - 1, "nonce_hash": MINE, "client": 7}


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, Verdict.OPEN),
        ({"expires_at": NOW}, Verdict.EXPIRED),
        ({"expires_at": NOW + 0.001}, Verdict.OPEN),
        ({"ended": "revoked"}, Verdict.ENDED),
        ({"ended": "revoked", "expires_at": NOW - 1}, Verdict.ENDED),
        ({"accounts": frozenset()}, Verdict.ENDED),
        (USED, Verdict.AGAIN),
        (USED | {"expires_at": NOW - 1}, Verdict.AGAIN),
        (USED | {"accounts": frozenset()}, Verdict.AGAIN),
        (USED | {"nonce_hash": b"another"}, Verdict.USED),
        (USED | {"used_at": NOW - TOLD_AGAIN_FOR_S + 0.001}, Verdict.AGAIN),
        (USED | {"used_at": NOW - TOLD_AGAIN_FOR_S}, Verdict.USED),
    ],
)
def test_a_code_is_good_once_for_a_while_and_its_machine_is_told_again(changes, verdict):
    """Used comes before ended and expired; the ten minutes count from its use."""
    assert judge(an_invite(**changes), MINE, NOW) is verdict


def test_code_and_nonce_make_the_same_key_each_time():
    """The key is well formed, and nothing else makes it: another nonce, code or store gives another."""
    key = key_for(CODE, NONCE, UNDER)
    assert key == key_for(CODE, NONCE, UNDER) == parse_key(key.text.reveal())
    assert key.kind == "cbk"
    others = [
        key_for(CODE, Secret("b" * 64), UNDER),
        key_for(new_key("cbi", os.urandom), NONCE, UNDER),
        key_for(CODE, NONCE, b"l" * 32),
    ]
    assert len({key.text, key.key_id, *(other.text for other in others), *(o.key_id for o in others)}) == 8


def test_what_is_stored_of_a_nonce_makes_no_key():
    """The hash of a nonce shows neither the nonce nor any part of the key."""
    key = key_for(CODE, NONCE, UNDER)
    assert NONCE.reveal().encode() not in MINE
    assert MINE.hex() not in key.text.reveal()
    assert nonce_hash(CODE, Secret("b" * 64), UNDER) != MINE
