"""The secrets of a browser login."""

import os

from hypothesis import given
from hypothesis import strategies as st

from fetchtoken.oauth.login.pkce import challenge_of, make_pkce, random_text

UNRESERVED = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_the_example_of_the_standard():
    """RFC 7636 appendix B."""
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert challenge_of(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@given(st.binary(min_size=64, max_size=64))
def test_sizes_are_codexs(raw):
    """Verifier 86, state and challenge 43 characters, whatever chance brings."""
    pkce = make_pkce(lambda size: raw[:size])
    assert [len(text) for text in (pkce.verifier.reveal(), pkce.state.reveal(), pkce.challenge)] == [
        86,
        43,
        43,
    ]
    assert UNRESERVED.issuperset(pkce.verifier.reveal() + pkce.state.reveal() + pkce.challenge)


def test_every_login_has_its_own():
    """Nothing is used twice, and nothing is shown by accident."""
    one, other = make_pkce(os.urandom), make_pkce(os.urandom)
    assert one.verifier != other.verifier
    assert one.state != other.state
    assert one.verifier.reveal() not in repr(one)
    assert random_text(b"") == ""
