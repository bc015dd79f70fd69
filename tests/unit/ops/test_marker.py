"""The marker of a home on a real file system, and when somebody was last at work in it."""

import json
import os
import shutil
import subprocess

import pytest

from broker.domain.secondlife import Reading
from broker.ops.marker import birth_ns, last_seen, make_marker, marker_in, see


@pytest.fixture
def home(tmp_path):
    path = tmp_path / "home"
    path.mkdir()
    return path


def reading(home):
    found = marker_in(home)
    assert found is not None
    return found[1]


def test_a_marker_says_of_itself_what_it_is(home):
    """Made, moved within its file system, chmodded, and read again: the same."""
    made = make_marker(home)
    assert marker_in(home) == (made, Reading.SAME)
    moved = home.rename(home.parent / "moved")
    (moved / "home.id").chmod(0o400)
    os.utime(moved / "home.id", (1, 1))
    assert marker_in(moved) == (made, Reading.SAME)


def test_it_is_private_and_leaves_nothing_beside(home):
    """A file of the home, 0600."""
    make_marker(home)
    make_marker(home)
    assert [path.name for path in home.iterdir()] == ["home.id"]
    assert (home / "home.id").stat().st_mode & 0o777 == 0o600


def test_each_marker_is_another_home(home):
    """A copy that makes its own is told from the original."""
    assert make_marker(home).home != make_marker(home).home


def test_a_copy_is_told_from_the_original(home, tmp_path):
    """Copied with all that a copy can carry along."""
    if birth_ns(tmp_path) is None:
        pytest.skip("this file system tells no time of birth")
    make_marker(home)
    shutil.copytree(home, tmp_path / "copy")
    subprocess.run(["cp", "-a", str(home), str(tmp_path / "other")], check=True)
    assert reading(tmp_path / "copy") is Reading.COPIED
    assert reading(tmp_path / "other") is Reading.COPIED
    assert reading(home) is Reading.SAME


def test_birth_is_what_the_file_system_says(home):
    """Compared with coreutils; a file that is not there has none."""
    make_marker(home)
    told = subprocess.run(
        ["stat", "--format=%W", str(home / "home.id")], capture_output=True, text=True, check=True
    )
    assert (birth_ns(home / "home.id") or 0) // 1_000_000_000 == int(told.stdout)
    assert birth_ns(home / "missing") is None


def test_a_file_system_without_births_makes_no_copies(home, tmp_path, monkeypatch):
    """There the marker alone is worth a note only."""
    monkeypatch.setattr("broker.ops.marker.birth_ns", lambda _path: None)
    make_marker(home)
    assert reading(home) is Reading.SAME
    shutil.copytree(home, tmp_path / "copy")
    assert reading(tmp_path / "copy") is Reading.UNSURE


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"home": "x"}', '{"home": "x", "inode": "y", "born_ns": 1}']
)
def test_a_marker_that_says_nothing_is_none(home, text):
    """As where there is no file."""
    assert marker_in(home) is None
    (home / "home.id").write_text(text)
    assert marker_in(home) is None


def test_when_somebody_was_last_at_work(home):
    """Nothing is known before the first time; then time and machine are."""
    assert last_seen(home) == (None, False)
    see(home, 1_764_000_000.5)
    assert last_seen(home) == (1_764_000_000.5, False)


@pytest.mark.parametrize(
    ("machine", "elsewhere"),
    [("another", True), ("", False)],
    ids=["another machine", "a machine without id"],
)
def test_another_machine_is_told(home, machine, elsewhere, monkeypatch, tmp_path):
    """A container without a machine id says nothing, before or after."""
    (tmp_path / "machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    monkeypatch.setattr("broker.ops.marker._MACHINE_IDS", (str(tmp_path / "machine-id"),))
    see(home, 1.0)
    said = json.loads((home / "last-seen").read_text())
    assert "0123456789abcdef" not in json.dumps(said), "a machine id is nobody else's business"
    (home / "last-seen").write_text(json.dumps({**said, "machine": machine}))
    assert last_seen(home) == (1.0, elsewhere)
