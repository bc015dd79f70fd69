"""Origins: how browsers write them, and which forms are of a page of the broker's own."""

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from broker.api.origins import is_own_page, origin_of

OWN = "https://broker.example"


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://broker.example", OWN),
        ("https://Broker.EXAMPLE:443/path?x#y", OWN),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://127.0.0.1:7455/", "http://127.0.0.1:7455"),
        ("https://[2001:DB8::1]:8443", "https://[2001:db8::1]:8443"),
        ("https://user:password@broker.example", OWN),
        ("https://broker.example:0x1bb", ""),
        ("https://broker.example:99999", ""),
        ("https://[::1", ""),
        ("https://", ""),
        ("ftp://broker.example", ""),
        ("//broker.example", ""),
        ("null", ""),
        ("", ""),
    ],
)
def test_the_origin_of_an_address(url, origin):
    """Scheme, host and port; a port that goes without saying is left out."""
    assert origin_of(url) == origin


@examples(deadline=None)
@given(st.text())
def test_any_text_has_an_origin_or_none(text):
    """No address is an error, and no origin is any other's."""
    origin = origin_of(text)
    assert origin == "" or origin_of(origin) == origin


@pytest.mark.parametrize(
    ("origins", "sites", "own"),
    [
        ([OWN], ["same-origin"], True),
        ([OWN], [], True),
        ([], ["same-origin"], False),
        ([], [], False),
        ([""], [], False),
        (["null"], ["same-origin"], False),
        ([OWN + "/"], [], False),
        ([OWN.upper()], [], False),
        ([OWN, OWN], [], False),
        ([OWN], ["cross-site"], False),
        ([OWN], ["same-origin", "cross-site"], False),
        ([OWN], [""], False),
    ],
)
def test_which_forms_are_of_its_own_pages(origins, sites, own):
    """What a browser cannot be made to send by a page from elsewhere."""
    assert is_own_page(f"{OWN}/sub", origins, sites) is own


def test_without_an_address_no_form_is():
    """Nor is one that comes from nowhere."""
    assert not is_own_page("", [""], [])
    assert not is_own_page("", [], [])
