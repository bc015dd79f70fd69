"""The links of the audit trail: what is bound, and that nothing else reads alike."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.domain.chain import OLDER, Head, Mac, Reason, Start, extend, link, parse_start
from broker.domain.records import AuditRecord

KEY = b"k" * 32
MAC = Mac(KEY)
RECORD = AuditRecord(1.5, "token.served", "laptop", "work", "127.0.0.1", "id", "ok", "detail")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
records = st.builds(AuditRecord, st.floats(0, 1e12), *[texts] * 7)
places = st.tuples(st.binary(max_size=32), texts, st.integers(0, 2**62), records)


@given(st.binary(max_size=200), st.binary(max_size=64))
def test_it_is_the_hmac_of_rfc_2104(data, key):
    """For every text and key it is what the standard library computes."""
    assert Mac(key)(data) == hmac.digest(key, data, "sha256")


@given(places, places)
def test_different_records_have_different_macs(one, other):
    """Place, every field and the record before are all bound, and fields do not run into each other."""
    # The mac before is of one length in a chain: 32 bytes, or none for record 0.
    one, other = ((bytes(before).ljust(32, b"\0"), *rest) for before, *rest in (one, other))
    assert (link(MAC, *one) == link(MAC, *other)) == (one == other)


@pytest.mark.parametrize("field", AuditRecord._fields)
def test_every_field_is_bound(field):
    """A change of any one field changes the mac."""
    changed = RECORD._replace(**{field: 2.5 if field == "at" else "other"})
    assert link(MAC, b"", "c", 1, changed) != link(MAC, b"", "c", 1, RECORD)


def test_another_key_has_other_macs():
    """Nobody without the key can make a link."""
    assert link(Mac(b"x" * 32), b"", "c", 1, RECORD) != link(MAC, b"", "c", 1, RECORD)


def test_records_are_counted_and_linked():
    """Each goes on from the one before it."""
    first, second = extend(MAC, Head("c", 4, b"m"), [RECORD, RECORD])
    assert (first.chain, first.seq, first.mac) == ("c", 5, link(MAC, b"m", "c", 5, RECORD))
    assert (second.seq, second.mac) == (6, link(MAC, first.mac, "c", 6, RECORD))
    assert first.row() == ("c", 5, *RECORD, first.mac)


def test_a_text_that_cannot_be_written_is_refused():
    """A lone surrogate has no bytes to bind."""
    with pytest.raises(UnicodeError):
        link(MAC, b"", "c", 1, RECORD._replace(peer="\ud800"))


def test_a_start_is_read_as_it_was_written():
    """Record 0 gives back what it was told, with and without its optional parts."""
    head = Head("a", 7, b"\x01" * 32)
    full = Start(
        reason=Reason.BEHIND,
        home="host:/var/lib",
        revision=9,
        others=(head,),
        older=Head(OLDER, 3, b"\x02"),
        lost=head,
    )
    for start in (full, Start(reason=Reason.NEW, home="h:/x", revision=0)):
        assert parse_start(start.to_detail()) == start


@pytest.mark.parametrize("detail", ["", "[]", "{}", '{"reason":1,"home":2,"revision":"x"}', "null", "7"])
def test_another_text_is_no_start(detail):
    """What is no such document is not taken for one."""
    assert parse_start(detail) is None
