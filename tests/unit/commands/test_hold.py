"""The locks of other tools' files."""

import os
import time
from pathlib import Path

import pytest

from fetchtoken.domain.errors import Unavailable, Unsafe
from fetchtoken.files.lock import open_locked
from fetchtoken.logins import hold as module
from fetchtoken.logins.hold import hold, opencode_lock


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / ".local" / "share" / "opencode" / "auth.json"
    path.parent.mkdir(parents=True)
    path.touch(mode=0o600)
    return path


def test_opencodes_lock_lies_in_its_state_directory(file: Path):
    """A directory named by the SHA-1 of ``auth``; unknown for a file that lies elsewhere."""
    root = file.parents[3]
    place = Path(opencode_lock(str(file), {}))
    assert place.parent == root / ".local" / "state" / "opencode" / "locks"
    assert place.suffix == ".lock"
    assert len(place.stem) == 40
    assert opencode_lock(str(file), {"XDG_STATE_HOME": "/state"}) == f"/state/opencode/locks/{place.name}"
    assert opencode_lock("/tmp/export.json", {}) == ""
    assert opencode_lock("/tmp/opencode/auth.json", {}) == ""


def test_opencodes_lock_is_held_and_given_back(file: Path, monkeypatch: pytest.MonkeyPatch):
    """With the files in it that opencode expects; nothing stays afterwards."""
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    place = Path(opencode_lock(str(file), {}))
    with hold(str(file), "opencode", named=str(file)):
        assert sorted(path.name for path in place.iterdir()) == ["heartbeat", "meta.json"]
        assert place.stat().st_mode & 0o777 == 0o700
    assert not place.exists()


def test_opencodes_lock_is_respected(file: Path, monkeypatch: pytest.MonkeyPatch):
    """Exit 5 while opencode holds it; one without a heartbeat for a minute is left over."""
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(module, "_LIMIT_S", 0.1)
    place = Path(opencode_lock(str(file), {}))
    place.mkdir(parents=True)
    beat = place / "heartbeat"
    beat.touch()
    with (
        pytest.raises(Unavailable, match="held by opencode"),
        hold(str(file), "opencode", named=str(file)),
    ):
        pass
    old = time.time() - 61
    os.utime(beat, (old, old))
    with hold(str(file), "opencode", named=str(file)):
        assert beat.exists()
    assert beat.exists(), "it is opencode's to clear away"


def test_codexs_lock_is_respected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Exit 5 while somebody holds the lock beside the file."""
    monkeypatch.setattr(module, "_LIMIT_S", 0.1)
    path = str(tmp_path / "auth.json")
    held = open_locked(path + ".lock", time.monotonic() + 1)
    try:
        with pytest.raises(Unavailable, match="locked by another process"), hold(path, "codex", named=path):
            pass
    finally:
        os.close(held)
    with hold(path, "codex", named=path):
        pass


def test_a_lock_that_cannot_be_made_is_unsafe(tmp_path: Path):
    """Exit 8, naming file and directory."""
    path = str(tmp_path / "missing" / "auth.json")
    with pytest.raises(Unsafe, match="cannot be taken"), hold(path, "codex", named=path):
        pass


def test_an_error_of_the_work_is_the_works_own(tmp_path: Path):
    """What fails under the lock is not told as the lock's failure."""
    path = str(tmp_path / "auth.json")
    with pytest.raises(FileNotFoundError), hold(path, "codex", named=path):
        (tmp_path / "nothing").read_text()
