"""Headers that callers write: any text is read without an error."""

from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from broker.api.call import request_id_of
from broker.api.negotiate import etag_matches, wants_text
from broker.api.peers import Peers

HEADER = st.text(st.characters(max_codepoint=0xFF), max_size=60)
PIECES = st.lists(
    st.sampled_from(
        ["text/plain", "application/json", "*/*", ";q=", "0.5", "1", ",", " ", "nan", "inf", "-1", '"']
    )
).map("".join)


@given(HEADER | PIECES)
def test_any_accept_header_is_read(text):
    """There is an answer for every header."""
    assert wants_text(text) in (True, False)


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_higher_quality_wins_and_json_wins_a_draw(one, other):
    """RFC 9110 §12.5.1, for the two forms there are."""
    text, json = f"{one:.3f}", f"{other:.3f}"
    header = f"text/plain;q={text}, application/json;q={json}"
    assert wants_text(header) is (float(text) > float(json))


@given(HEADER)
def test_only_the_tag_itself_or_a_star_matches(text):
    """Whatever is no list with our tag in it is no match."""
    assert etag_matches(text, 'W/"cannot-be-drawn-by-chance"') is (text == "*")


@given(
    st.lists(st.sampled_from(['"a"', 'W/"b"', '"c,d"', '""']), max_size=4), st.sampled_from(["a", "b", "z"])
)
def test_a_tag_is_found_anywhere_in_a_list(tags, wanted):
    """Weak and strong compare equal (RFC 9110 §8.8.3.2)."""
    inside = any(tag.removeprefix("W/") == f'"{wanted}"' for tag in tags)
    assert etag_matches(", ".join(tags), f'W/"{wanted}"') is inside
    assert etag_matches(",".join(tags), f'"{wanted}"') is inside


@given(st.text(max_size=80))
def test_any_request_id_is_taken_or_replaced(text):
    """The result is always plain and short."""
    made = request_id_of(text)
    assert made.isascii()
    assert 0 < len(made) <= 64
    assert not set(made) & set(" \t\r\n\"'<>")


@given(st.none() | st.text(max_size=20), st.lists(st.text(max_size=30), max_size=3))
def test_any_forwarded_header_is_read(remote, forwarded):
    """There is an address for every claim."""
    from ipaddress import ip_network

    assert Peers([ip_network("0.0.0.0/0"), ip_network("::/0")]).address(
        remote, CIMultiDict([("X-Forwarded-For", value) for value in forwarded])
    )
