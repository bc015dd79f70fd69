import errno
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_SH, flock
from pathlib import Path

import pytest

from fetchtoken.domain.errors import Unavailable
from fetchtoken.files.lock import flock_within, is_locked, open_locked
from tests.support.need import need_program

HOLD = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(fd, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""
TAKE = "import sys; from fetchtoken.files.lock import open_locked; open_locked(sys.argv[1], 0)"


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def soon():
    return time.monotonic() + 30


@contextmanager
def held_elsewhere(path):
    """Let another process hold the lock until its stdin is closed."""
    argv = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        yield holder
        holder.stdin.close()


@contextmanager
def opened(path, flags=os.O_RDWR | os.O_CREAT):
    fd = os.open(path, flags, 0o600)
    try:
        yield fd
    finally:
        os.close(fd)


def test_a_free_lock_is_taken_at_once(tmp_path):
    """Even with a deadline that is over: there is always one try."""
    with opened(tmp_path / "l") as fd:
        flock_within(fd, time.monotonic() - 1, "l")
        with opened(tmp_path / "l") as other:
            assert is_locked(other)


def test_a_held_lock_is_given_up_at_the_deadline(tmp_path):
    """The error names what is locked and says to try again."""
    with held_elsewhere(tmp_path / "l"), opened(tmp_path / "l") as fd:
        with pytest.raises(Unavailable, match=r"auth\.json\.lock is locked by another process") as caught:
            flock_within(fd, time.monotonic() + 0.02, "auth.json.lock")
        assert caught.value.hint


def test_a_lock_is_taken_when_its_holder_ends(tmp_path):
    """Waiting ends with the holder's death, however it died."""
    with held_elsewhere(tmp_path / "l") as holder, opened(tmp_path / "l") as fd:
        holder.kill()
        flock_within(fd, soon(), "l")


def test_a_lock_file_is_made_private(tmp_path):
    """The file is 0600; closing the descriptor gives the lock back."""
    fd = open_locked(str(tmp_path / "l"), soon())
    assert (tmp_path / "l").stat().st_mode & 0o777 == 0o600
    with pytest.raises(Unavailable):
        open_locked(str(tmp_path / "l"), time.monotonic())
    os.close(fd)
    os.close(open_locked(str(tmp_path / "l"), time.monotonic()))


def test_a_failed_lock_leaves_no_descriptor_open(tmp_path):
    """A program that tries again and again does not run out of descriptors."""
    with held_elsewhere(tmp_path / "l"):
        before = descriptors()
        for _ in range(5):
            with pytest.raises(Unavailable):
                open_locked(str(tmp_path / "l"), time.monotonic())
        assert descriptors() == before


def test_the_lock_passes_to_who_inherits_the_descriptor(tmp_path):
    """The lock belongs to the open file description: a child keeps it after the parent closed it."""
    fd = open_locked(str(tmp_path / "l"), soon())
    argv = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, pass_fds=(fd,)) as child:
        os.close(fd)
        with opened(tmp_path / "l") as other:
            assert is_locked(other)
            child.stdin.close()
            child.wait()
            assert not is_locked(other)


def test_who_looks_does_not_hold(tmp_path):
    """A look leaves the lock free, and one looker is not taken for a holder by another."""
    with opened(tmp_path / "l") as one, opened(tmp_path / "l") as other:
        assert not is_locked(one)
        flock(one, LOCK_SH)  # the instant in the middle of a look
        assert not is_locked(other)
        flock(one, LOCK_EX)
        assert is_locked(other)


def test_a_look_needs_no_right_to_write(tmp_path):
    """A read-only descriptor will do, so a file on a read-only disk can be judged."""
    (tmp_path / "l").touch()
    with opened(tmp_path / "l", os.O_RDONLY) as fd:
        assert not is_locked(fd)
        with held_elsewhere(tmp_path / "l"):
            assert is_locked(fd)


@pytest.mark.parametrize("name", ["ENOLCK", "EOPNOTSUPP"])
def test_a_file_system_without_locks_is_an_os_error(tmp_path, name):
    """It is not waited for, and not mistaken for a lock that somebody holds."""
    strace = need_program("strace", "strace")
    inject = ["-e", "trace=flock", "-e", f"inject=flock:error={name}"]
    argv = [strace, "-f", *inject, sys.executable, "-c", TAKE, str(tmp_path / "l")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert f"OSError: [Errno {getattr(errno, name)}]" in done.stderr


def test_a_system_without_flock_cannot_guard(tmp_path, monkeypatch):
    """Where there is no ``fcntl`` (Windows) nothing is locked, and that is said."""
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with pytest.raises(Unavailable, match="no flock"):
        open_locked(str(tmp_path / "l"), time.monotonic())
