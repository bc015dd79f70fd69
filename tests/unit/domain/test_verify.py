"""What a check makes of rows that were tampered with: the kind, the place, and no more than that."""

import pytest

from broker.domain.chain import Head, Mac, Reason, Start, extend
from broker.domain.findings import Finding, Kind, Known
from broker.domain.records import AuditRecord
from broker.domain.verify import Verifier

MAC = Mac(b"k" * 32)
OTHER = Mac(b"x" * 32)


def a_chain(name="c", count=10, mac=MAC, **changes):
    """Return the rows of a chain, record 0 included, and its head."""
    known = {"reason": Reason.NEW, "home": "host:/home", "revision": 0}
    first = AuditRecord(1.0, "audit.begun", detail=Start(**(known | changes)).to_detail())
    records = [AuditRecord(float(number), "token.served", request_id=f"r{number}") for number in range(count)]
    return extend(mac, Head(name, -1, b""), [first, *records])


def check(rows, heads=(), own=(), **more):
    """Return the findings as (chain, record, kind)."""
    starts = [row for row in rows if row[1] == 0 and row[0]]
    known = Known(heads={head.chain: head for head in heads}, starts=starts, own=own, **more)
    verifier = Verifier(MAC, known)
    for row in sorted(rows, key=lambda row: row[:2]):
        verifier.take([row])
    verifier.end()
    return [(one.chain, one.seq, str(one.kind)) for one in verifier.findings]


def changed(row, **values):
    """Return a row with fields changed: ``peer``, ``mac``."""
    record = AuditRecord._make(row[2:-1])
    mac = values.pop("mac", row[-1])
    return (*row[:2], *record._replace(**values), mac)


def test_a_whole_chain_has_no_findings():
    """What was written is what is read; rows beyond the head are no fault."""
    rows, head = a_chain()
    assert check(rows, [head], [head]) == []
    assert check(rows, [head], [Head("c", 4, rows[4][-1])]) == []


def test_one_changed_field_is_one_finding():
    """The record is named, and those behind it hold."""
    rows, head = a_chain()
    rows[4] = changed(rows[4], peer="nobody")
    assert check(rows, [head], [head]) == [("c", 4, "changed")]


def test_a_changed_mac_is_one_finding():
    """The record whose mac was changed is named; the next one still fits what the mac had been."""
    rows, head = a_chain()
    rows[4] = changed(rows[4], mac=bytes(32))
    assert check(rows, [head], [head]) == [("c", 4, "changed")]


def test_a_record_of_somebody_else_is_one_finding():
    """Field and mac together: the next record cannot be judged, those behind it hold."""
    rows, head = a_chain()
    rows[4] = changed(rows[4], peer="nobody", mac=bytes(32))
    assert check(rows, [head], [head]) == [("c", 4, "changed")]


def test_a_last_record_of_somebody_else_is_found():
    """At the end there is no next record, and none is needed."""
    rows, head = a_chain()
    rows[-1] = changed(rows[-1], peer="nobody", mac=bytes(32))
    assert check(rows, [head]) == [("c", 10, "changed")]


@pytest.mark.parametrize(("one", "other"), [(3, 4), (3, 5), (2, 9)])
def test_records_that_changed_places_are_moved(one, other):
    """Two true records in each other's place are told from changed ones."""
    rows, head = a_chain()
    first, second = rows[one], rows[other]
    rows[one], rows[other] = (*first[:2], *second[2:]), (*second[:2], *first[2:])
    assert check(rows, [head], [head]) == [("c", one, "moved"), ("c", other, "moved")]


def test_a_record_put_at_the_end_is_moved():
    """Its place is missed, and where it stands now it is said to be the one of there."""
    rows, _ = a_chain()
    moved = ("c", 11, *rows.pop(4)[2:])
    head = Head("c", 11, moved[-1])
    assert check([*rows, moved], [head]) == [("c", 4, "missing"), ("c", 11, "moved")]


@pytest.mark.parametrize("gone", [{1}, {4, 5}, {2, 7}, {0}, {0, 1}])
def test_missing_records_are_named_by_the_first(gone):
    """Each gap is one finding."""
    rows, head = a_chain()
    firsts = [number for number in sorted(gone) if number - 1 not in gone]
    left = [row for row in rows if row[1] not in gone]
    assert check(left, [head], [head]) == [("c", number, "missing") for number in firsts]


def test_a_cut_end_is_truncated():
    """The store's own table, the head file, and another chain's record 0 each know better."""
    rows, head = a_chain()
    cut, table = rows[:5], Head("c", 4, rows[4][-1])
    assert check(cut, [head]) == [("c", 5, "truncated")]
    assert check(cut, [table], [head]) == [("c", 5, "truncated")]
    later, its_head = a_chain("d", reason=Reason.HOME, others=(head,))
    assert check([*cut, *later], [table, its_head], [its_head]) == [("c", 5, "truncated")]


def test_a_chain_that_is_gone_altogether_is_truncated():
    """Somebody still names it."""
    rows, head = a_chain("d", reason=Reason.BEHIND, lost=Head("c", 9, b"m"))
    assert check(rows, [head], [head]) == [("c", 0, "truncated")]


def test_a_restore_excuses_what_it_names_as_lost():
    """Record 0 of a restored store names what the home knew, and nothing is missed."""
    rows, head = a_chain("d", reason=Reason.RESTORED, lost=Head("c", 9, b"m"))
    assert check(rows, [head], [head]) == []


def test_a_forged_start_excuses_nothing():
    """A record 0 of another key is a changed record, and what it says is not heard."""
    old, old_head = a_chain("c")
    rows, head = a_chain("d", mac=OTHER, reason=Reason.RESTORED)
    found = check([*old[:5], *rows], [Head("c", 4, old[4][-1]), head], [old_head])
    assert ("c", 5, "truncated") in found
    assert ("d", 0, "changed") in found


def test_another_past_is_not_taken_for_this_one():
    """A chain that links well but not to the head that is known elsewhere was written twice."""
    rows, head = a_chain()
    known = Head("c", 6, bytes(32))
    assert check(rows, [head], [known]) == [("c", 6, "changed")]


def test_rows_of_no_chain_are_inserted():
    """Records without a chain that no record 0 vouches for, and numbers that no chain counts."""
    rows, head = a_chain()
    loose = ("", 7, *rows[3][2:-1], b"")
    low = ("c", -1, *rows[3][2:])
    assert check([*rows, loose, low], [head], [head]) == [("c", -1, "inserted"), ("", 0, "inserted")]


def test_a_chain_without_a_head_in_the_store_is_said():
    """Somebody removed its row from the table of heads."""
    rows, head = a_chain()
    assert check(rows, [], [head]) == [("c", 0, "changed")]


@pytest.mark.parametrize("values", [{2: "text"}, {3: 7}, {9: b"bytes"}, {10: "text"}, {2: None}], ids=str)
def test_a_value_of_another_kind_is_found(values):
    """Whatever somebody puts into a row, the check goes on behind it."""
    rows, head = a_chain()
    row = list(rows[4])
    for place, value in values.items():
        row[place] = value
    rows[4], rows[8] = tuple(row), changed(rows[8], peer="nobody")
    assert check(rows, [head], [head]) == [("c", 4, "changed"), ("c", 8, "changed")]


@pytest.mark.parametrize(
    ("reason", "kind"), [(Reason.HEAD_MISSING, "head_missing"), (Reason.HEAD_FORGED, "head_forged")]
)
def test_what_was_wrong_at_a_beginning_is_said_again(reason, kind):
    """A chain that began in trouble says so for ever."""
    rows, head = a_chain(reason=reason)
    assert check(rows, [head], [head]) == [("c", 0, kind)]


def test_a_trail_that_begins_late_is_said():
    """A store that has changed before its first chain, without older records, lost them."""
    rows, head = a_chain(revision=3)
    assert check(rows, [head], [head]) == [("c", 0, "missing")]


def test_what_is_known_of_the_head_file_comes_first():
    """A finding from outside is passed on."""
    rows, head = a_chain()
    problem = Finding("c", 3, Kind.HEAD_FORGED, "older")
    assert check(rows, [head], [head], problem=problem) == [("c", 3, "head_forged")]


def test_only_the_first_hundred_findings_are_listed():
    """Where everything is wrong the count goes on, and the check ends in time."""
    rows, head = a_chain(count=3000)
    wrong = [(*row[:2], *changed(row, peer="x", mac=bytes(32))[2:]) for row in rows]
    verifier = Verifier(MAC, Known(heads={"c": head}, starts=[]))
    verifier.take(wrong)
    verifier.end()
    assert len(verifier.findings) == 100
    assert verifier.found > 1000
