"""How a second life of a home is told from the first: marks, marker, sleep."""

import pytest

from broker.domain.secondlife import (
    Mark,
    Marker,
    Reading,
    Why,
    behind,
    has_slept,
    mark_of,
    read_marker,
    spent,
    why_of,
    word_of,
)
from tests.support.records import an_account

ROW = an_account(login_id="login-1", generation=3, revision=10)
BORN = 1_764_000_000_000_000_000


@pytest.mark.parametrize(
    ("mark", "is_behind"),
    [
        (Mark(3, 10), False),
        (Mark(3, 9), False),
        (Mark(2, 5), False),
        (Mark(3, 11), True),
        (Mark(4, 12), True),
        (Mark(4, 9), True),
    ],
    ids=str,
)
def test_a_row_is_behind_where_its_mark_is_ahead(mark, is_behind):
    """A crash leaves rows ahead of their marks; only a store put back leaves one behind."""
    found = behind([ROW], {"login-1": mark}, top=mark.revision, counter=20)
    assert found == ((ROW,) if is_behind else ())


@pytest.mark.parametrize(("generation", "is_spent"), [(2, False), (3, False), (4, True)])
def test_a_generation_behind_its_mark_is_spent(generation, is_spent):
    """Within one generation nobody knows whether it was sent; past it, it was, and answered."""
    assert spent([ROW], {"login-1": Mark(generation, 11)}) == ((ROW,) if is_spent else ())


@pytest.mark.parametrize(("counter", "is_behind"), [(20, False), (21, False), (19, True)])
def test_a_login_without_a_mark_counts_by_the_store_as_a_whole(counter, is_behind):
    """In a store that went back it is one that had left; else it came in just before a crash."""
    assert bool(behind([ROW], {}, top=20, counter=counter)) is is_behind


def test_the_mark_of_a_row_is_not_ahead_of_it():
    """What was just marked is not behind."""
    assert behind([ROW], {"login-1": mark_of(ROW)}, top=10, counter=10) == ()


@pytest.mark.parametrize(
    ("inode", "born_ns", "reading"),
    [
        (7, BORN, Reading.SAME),
        (8, BORN + 1, Reading.COPIED),
        (8, BORN, Reading.UNSURE),
        (7, BORN + 1, Reading.UNSURE),
        (8, None, Reading.UNSURE),
        (7, None, Reading.SAME),
    ],
)
def test_only_another_inode_and_another_birth_make_a_copy(inode, born_ns, reading):
    """One alone may change by itself."""
    said = Marker(home="a", inode=7, born_ns=BORN)
    assert read_marker(said, inode=inode, born_ns=born_ns) is reading


@pytest.mark.parametrize(("inode", "reading"), [(7, Reading.SAME), (8, Reading.UNSURE)])
def test_a_file_system_that_tells_no_birth_makes_no_copy(inode, reading):
    """A marker that was made on one says nothing for sure."""
    said = Marker(home="a", inode=7, born_ns=None)
    assert read_marker(said, inode=inode, born_ns=None) is reading
    assert read_marker(said, inode=8, born_ns=BORN) is Reading.UNSURE


@pytest.mark.parametrize(("now_s", "slept"), [(100.0, False), (3700.0, False), (3700.1, True), (-9e9, False)])
def test_sleep_is_longer_than_the_absence(now_s, slept):
    """A clock that went back says nothing."""
    assert has_slept(100.0, now_s, 3600.0) is slept


@pytest.mark.parametrize("why", list(Why))
@pytest.mark.parametrize("detail", ["", "2026-11-16T10:00:00Z", "/a: b"])
def test_a_cause_is_read_back_from_its_word(why, detail):
    """Cause and detail survive in an account's last error."""
    assert why_of(word_of(why, detail)) == (why, detail)


@pytest.mark.parametrize("word", ["", "network", "other_holder: invalid_grant"])
def test_another_last_error_is_no_cause(word):
    """What an exchange left there is not taken for one."""
    assert why_of(word) == (None, "")
