"""The file of marks: what is durable in it, what survives damage, and what a failing disk does."""

import asyncio
import os

import pytest
from structlog.testing import capture_logs

from broker.domain.secondlife import Mark
from broker.refresh.highwater import HighWater
from tests.support.records import an_account

STORE = "s" * 32


def row(login_id="a", generation=1, revision=5):
    return an_account(login_id=login_id, generation=generation, revision=revision)


def read(path, store=STORE):
    marks = HighWater(str(path), store)
    marks.read()
    return marks


@pytest.fixture
def path(tmp_path):
    return tmp_path / "high-water"


@pytest.fixture
async def marks(path):
    made = HighWater(str(path), STORE)
    await made.begin([row()], 7)
    yield made
    made.close()


async def test_what_was_noted_is_read_back(marks, path):
    """The newest mark of each login counts, and how far the store had got."""
    await marks.note(row(generation=2, revision=9), row("b", 0, 8))
    found = read(path)
    assert found.marks == {"a": Mark(2, 9), "b": Mark(0, 8)}
    assert found.top == 9


@pytest.mark.usefixtures("marks")
async def test_a_new_file_is_private_and_starts_from_the_rows(path):
    """A home without marks takes its rows as they are."""
    assert path.stat().st_mode & 0o777 == 0o600
    assert (read(path).marks, read(path).top) == ({"a": Mark(1, 5)}, 7)


async def test_a_mark_never_goes_back(marks, path):
    """What is told late does not undo what was told before."""
    await marks.note(row(generation=2, revision=9))
    await marks.note(row(generation=1, revision=6))
    assert read(path).marks["a"] == Mark(2, 9)


async def test_a_login_that_left_is_ahead_of_any_row_of_it(marks, path):
    """A store in which it still is counts as put back."""
    await marks.gone(row(revision=5))
    assert read(path).marks["a"] == Mark(1, 6)


async def test_marks_of_another_store_stay(marks, path):
    """A home that served another store for a while still knows the first one."""
    marks.close()
    other = read(path, "t" * 32)
    assert (other.marks, other.top) == ({}, 0)
    await other.begin([row("c", 4, 50)], 50)
    other.close()
    assert read(path).marks == {"a": Mark(1, 5)}
    assert read(path, "t" * 32).marks == {"c": Mark(4, 50)}


async def test_a_torn_or_damaged_line_is_passed_over(marks, path):
    """What lies beside it still counts, and the log says so."""
    await marks.note(row("b", 1, 6))
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0] + lines[1].replace(" 5 ", " 4 ") + "nonsense\n" + lines[2] + lines[1][:20])
    with capture_logs() as log:
        assert read(path).marks == {"b": Mark(1, 6)}
    assert [line["lines"] for line in log] == [2]


async def test_many_at_once_are_all_durable(marks, path):
    """Whoever waits returns after his own mark is on the disk."""
    rows = [row(f"login-{number}", 1, 10 + number) for number in range(50)]
    await asyncio.gather(*(marks.note(each) for each in rows))
    assert len(read(path).marks) == 51


async def test_a_file_that_grew_is_written_anew(marks, path):
    """Its size follows what is held, not what happened."""
    for revision in range(10, 1_600):
        await marks.note(row(revision=revision))
    assert path.stat().st_size < 80_000
    assert read(path).marks == {"a": Mark(1, 1_599)}


async def test_a_failing_disk_is_told_and_made_good(marks, path, monkeypatch):
    """Nothing noted is lost: it is written with the next one that succeeds."""
    fail = iter([True, True, False])

    def fdatasync(fd, really=os.fdatasync):
        if next(fail):
            raise OSError(28, "No space left on device")
        really(fd)

    monkeypatch.setattr("broker.refresh.highwater.os.fdatasync", fdatasync)
    monkeypatch.setattr("broker.refresh.highwater.replace_file", _full)
    with pytest.raises(OSError, match="No space"):
        await marks.note(row(revision=9))
    assert marks.error == "No space left on device"
    with pytest.raises(OSError, match="No space"):
        await marks.mend()
    with capture_logs() as log:
        await marks.keep(row("b", 1, 10))
    assert [line["event"] for line in log] == ["high_water_not_written"]
    monkeypatch.undo()
    await marks.mend()
    assert marks.error == ""
    assert read(path).marks == {"a": Mark(1, 9), "b": Mark(1, 10)}


async def test_a_file_that_cannot_be_read_is_not_written_over(path):
    """What it says of the store was never asked: it stays, and nothing counts as noted."""
    path.mkdir()
    marks = HighWater(str(path), STORE)
    with pytest.raises(OSError, match="directory"):
        marks.read()
    with pytest.raises(OSError, match="cannot be read"):
        await marks.begin([row()], 7)
    assert "cannot be read" in marks.error


def _full(*_values):
    raise OSError(28, "No space left on device")
