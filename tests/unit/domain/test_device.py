"""Device logins: codes that people type, what is made from the long secret, and who may approve what."""

import os
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from broker.domain.device import (
    LETTERS,
    DeviceRequest,
    DeviceState,
    Hashed,
    Progress,
    accounts_for,
    challenge_of,
    code_of,
    hash_of,
    is_alive,
    new_secret,
    new_user_code,
    parse_user_code,
    progress,
    verifier_of,
)
from fetchtoken.domain.secret import Secret
from tests.support.records import NOW, a_client
from tests.unit.domain.test_invite import an_invite

UNDER = b"k" * 32
DEVICE = Secret("d" * 43)


def a_request(**changes):
    """Return a request that was made a minute ago and waits."""
    known = {
        "id": 1,
        "client_id": "app_x",
        "address": "192.0.2.7",
        "created_at": NOW - 60,
        "expires_at": NOW + 540,
        "wrong": 0,
        "state": DeviceState.WAITING,
        "invite": None,
        "client": None,
        "account": None,
        "machine": "",
        "credential": None,
    }
    return DeviceRequest(**(known | changes))


def test_a_user_code_has_40_bits_of_letters_that_nobody_confuses():
    """Every bit of the chance is in it, and no letter stands for another."""
    assert len(set(LETTERS)) == 32
    assert not set(LETTERS) & set("0O1I")
    codes = {new_user_code(lambda size, bit=bit: (1 << bit).to_bytes(size, "big")) for bit in range(40)}
    assert len(codes) == 40
    assert new_user_code(bytes).reveal() == "AAAA-AAAA"
    assert new_user_code(lambda size: b"\xff" * size).reveal() == "9999-9999"


@examples(deadline=None)
@given(st.binary(min_size=5, max_size=5), st.randoms(use_true_random=False))
def test_a_code_is_read_as_people_type_it(chance, random):
    """Case, hyphens and blanks anywhere do not matter."""
    code = new_user_code(lambda _: chance)
    typed = "".join(
        random.choice((letter, letter.lower())) + random.choice(("", " ", "-")) for letter in code.reveal()
    )
    assert parse_user_code(typed) == code


@pytest.mark.parametrize(
    "typed", ["", "AAAA", "AAAA-AAAAA", "AAAA-AAA0", "AAAA-AAAI", "ÄAAA-AAAA", "A" * 9000]
)
def test_what_is_no_user_code(typed):
    """Neither shorter nor longer, nor with a letter that there is not."""
    assert parse_user_code(typed) is None


@examples(deadline=None)
@given(st.text())
def test_any_text_is_read_or_refused(typed):
    """Whatever is typed: a code in its own notation, or none."""
    code = parse_user_code(typed)
    assert code is None or parse_user_code(code.reveal()) == code


def test_a_secret_has_256_bits_and_fits_into_forms():
    """No character of it needs an escape anywhere."""
    assert (
        len({new_secret(lambda size, bit=bit: (1 << bit).to_bytes(size, "big")) for bit in range(256)}) == 256
    )
    text = new_secret(os.urandom).reveal()
    assert len(text) == 43
    assert text.replace("-", "").replace("_", "").isalnum()


def test_code_and_verifier_are_made_alike_each_time_and_from_nothing_else():
    """Another secret, or another store, makes others."""
    code = code_of(DEVICE, UNDER)
    assert (code, verifier_of(code, UNDER)) == (code_of(DEVICE, UNDER), verifier_of(code, UNDER))
    others = {code_of(Secret("e" * 43), UNDER), code_of(DEVICE, b"o" * 32), verifier_of(code, UNDER), DEVICE}
    assert len(others | {code, verifier_of(code, b"o" * 32)}) == 6


def test_the_pair_is_one_of_pkce():
    """RFC 7636's own example, and a verifier of the length that it wants."""
    example = Secret("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    assert challenge_of(example) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    assert 43 <= len(verifier_of(code_of(DEVICE, UNDER), UNDER).reveal()) <= 128


def test_one_secret_does_not_stand_for_another():
    """What is looked up as one thing is not found as another, and no hash is one that anybody can make."""
    hashes = {hash_of(what, DEVICE, UNDER) for what in Hashed}
    assert len(hashes) == len(Hashed)
    assert sha256(DEVICE.reveal().encode()).digest() not in hashes


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, Progress.PENDING),
        ({"expires_at": NOW + 0.001}, Progress.PENDING),
        ({"expires_at": NOW}, Progress.OVER),
        ({"state": DeviceState.APPROVED}, Progress.APPROVED),
        ({"state": DeviceState.APPROVED, "expires_at": NOW}, Progress.OVER),
        ({"state": DeviceState.DENIED}, Progress.DENIED),
        ({"state": DeviceState.DENIED, "expires_at": NOW - 1}, Progress.DENIED),
        ({"state": DeviceState.SPENT}, Progress.OVER),
        ({"state": DeviceState.VOID}, Progress.OVER),
    ],
)
def test_what_codex_is_told(changes, told):
    """It waits for as long as waiting can help, and no longer."""
    request = a_request(**changes)
    assert progress(request, NOW) is told
    assert is_alive(request, NOW) is (told in (Progress.PENDING, Progress.APPROVED))


def test_an_unknown_request_is_over():
    """Nobody will ever approve it."""
    assert progress(None, NOW) is Progress.OVER


BOTH = frozenset({1, 2})


@pytest.mark.parametrize(
    ("invite", "client", "accounts"),
    [
        ({"accounts": BOTH}, None, BOTH),
        ({"accounts": BOTH, "scopes": frozenset({"quota"})}, None, frozenset()),
        ({"accounts": BOTH}, {"accounts": BOTH}, frozenset()),
        ({"accounts": BOTH, "device": True}, None, frozenset()),
        ({"accounts": BOTH, "device": True}, {"accounts": frozenset({2, 3})}, frozenset({2})),
        ({"accounts": BOTH, "device": True}, {"accounts": BOTH, "revoked_at": NOW - 1}, frozenset()),
        ({"accounts": BOTH, "device": True}, {"accounts": BOTH, "expires_at": NOW}, frozenset()),
        ({"accounts": BOTH, "device": True}, {"accounts": BOTH, "scopes": frozenset({"quota"})}, frozenset()),
        # What the invite says of scopes is for a client that it makes.
        ({"accounts": BOTH, "device": True, "scopes": frozenset()}, {"accounts": BOTH}, BOTH),
    ],
)
def test_for_which_accounts_an_invite_approves(invite, client, accounts):
    """One that makes a client for all of its own, one for devices for what the client has, too."""
    held = None if client is None else a_client(**client)
    assert accounts_for(an_invite(**invite), held, NOW) == accounts
