"""The links of the audit trail: what is bound, and that nothing else reads alike."""

from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.domain.chain import OLDER, Head, Mac, Reason, Start, extend, link, parse_start
from broker.domain.records import AuditRecord

KEY = b"k" * 32
MAC = Mac(KEY)
RECORD = AuditRecord(1.5, "token.served", "laptop", "work", "127.0.0.1", "id", "ok", "detail")

texts = st.text(st.sampled_from("\0\xffa") | st.characters(exclude_categories=["Cs"]), max_size=8)
records = st.builds(AuditRecord, st.floats(0, 1e12), *[texts] * 7)
places = st.tuples(st.binary(max_size=32), texts, st.integers(0, 2**62), records)


@given(st.binary(max_size=200), st.binary(max_size=64))
def test_it_is_keyed_blake2b(data, key):
    """For every text and key it is what RFC 7693 says, however often the key is used."""
    mac = Mac(key)
    mac(b"another text")
    assert mac(data) == blake2b(data, key=key, digest_size=32).digest()


@given(places, places)
def test_different_records_have_different_macs(one, other):
    """Place, every field and the record before are all bound, and fields do not run into each other."""
    # The mac before is of one length in a chain: 32 bytes, or none for record 0.
    one, other = ((bytes(before).ljust(32, b"\0"), *rest) for before, *rest in (one, other))
    assert (link(MAC, *one) == link(MAC, *other)) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [(("a\0b", "c"), ("a", "b\0c")), (("a", "\0"), ("a\0", "")), (("", "\0"), ("\0", ""))],
)
def test_a_separator_in_a_text_changes_no_borders(one, other):
    """Texts that read alike when put together have different macs."""
    records = [RECORD._replace(peer=peer, request_id=request_id) for peer, request_id in (one, other)]
    assert link(MAC, b"", "c", 1, records[0]) != link(MAC, b"", "c", 1, records[1])


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
    first, second = (
        link(MAC, b"m", "c", 5, RECORD),
        link(MAC, link(MAC, b"m", "c", 5, RECORD), "c", 6, RECORD),
    )
    rows, head = extend(MAC, Head("c", 4, b"m"), [RECORD, RECORD])
    assert rows == [("c", 5, *RECORD, first), ("c", 6, *RECORD, second)]
    assert head == Head("c", 6, second)


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
