import os
import threading
import time
from pathlib import Path

import pytest

from fetchtoken.codex.locks import auth_locks, file_locks, home_lock
from fetchtoken.domain.errors import Unavailable
from tests.support.wait import until_sync


@pytest.fixture
def home(tmp_path):
    (tmp_path / "accounts").mkdir()
    for name in ("work", "home"):
        (tmp_path / f"accounts/{name}.json").touch()
    (tmp_path / "auth.json").symlink_to("accounts/work.json")
    return tmp_path


def soon():
    return time.monotonic() + 0.05


def later():
    return time.monotonic() + 30


def locked(path):
    """Tell whether somebody holds the lock of a real file."""
    try:
        with file_locks([str(path)], time.monotonic()):
            return False
    except Unavailable:
        return True


def test_the_login_in_use_is_locked_by_home_and_file(home):
    """Both locks of Codex, by way of the link."""
    with auth_locks(str(home / "auth.json"), str(home), later()):
        assert locked(home / "accounts/work.json")
        with pytest.raises(Unavailable), home_lock(str(home), soon()):
            pass
    with home_lock(str(home), soon()):
        pass


def test_an_account_that_is_not_in_use_is_locked_by_its_file_alone(home):
    """Nobody else waits for it."""
    with auth_locks(str(home / "accounts/home.json"), str(home), later()), home_lock(str(home), soon()):
        assert locked(home / "accounts/home.json")
        assert not locked(home / "accounts/work.json")


def test_a_link_that_was_turned_while_we_waited_is_followed_again(home):
    """What is locked in the end is what ``auth.json`` is by then; the file that it was is free."""
    held, go = threading.Event(), threading.Event()

    def wait_for_the_login():
        with auth_locks(str(home / "auth.json"), str(home), later()):
            held.set()
            assert go.wait(30)

    with home_lock(str(home), later()):
        waiter = threading.Thread(target=wait_for_the_login)
        waiter.start()
        until_sync(lambda: _waits(home))
        (home / "auth.json").unlink()
        (home / "auth.json").symlink_to("accounts/home.json")
    assert held.wait(30)
    assert locked(home / "accounts/home.json")
    assert not locked(home / "accounts/work.json")
    go.set()
    waiter.join()


def _waits(home):
    """Tell whether the thread has opened the lock that it is about to wait for."""
    lock = str(home / "auth.lock")
    return sum(os.path.realpath(fd) == lock for fd in Path("/proc/self/fd").iterdir()) >= 2


def test_the_same_file_by_two_names_is_locked_once(home):
    """A second lock on it by ourselves would never come."""
    work = str(home / "accounts/work.json")
    with file_locks([work, work], soon()):
        assert locked(work)
