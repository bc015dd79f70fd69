"""Where the home is, who may use it, and that one process holds it."""

import errno
import fcntl
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from broker.ops.home import Home, resolve_home
from broker.ops.setup import make_home
from broker.settings import load_settings
from fetchtoken.domain.errors import ConfigError, Unsafe


@pytest.mark.parametrize(
    ("option", "environ", "expected"),
    [
        (Path("/o"), {"CODEX_BROKER_HOME": "/e", "STATE_DIRECTORY": "/s", "XDG_STATE_HOME": "/x"}, "/o"),
        (None, {"CODEX_BROKER_HOME": "/e", "STATE_DIRECTORY": "/s", "XDG_STATE_HOME": "/x"}, "/e"),
        (None, {"STATE_DIRECTORY": "/s", "XDG_STATE_HOME": "/x"}, "/s"),
        (None, {"STATE_DIRECTORY": "/s:/t"}, "/s"),
        (None, {"XDG_STATE_HOME": "/x"}, "/x/codex-broker"),
        (None, {"XDG_STATE_HOME": "relative"}, "/h/.local/state/codex-broker"),
        (None, {"CODEX_BROKER_HOME": ""}, "/h/.local/state/codex-broker"),
        (None, {}, "/h/.local/state/codex-broker"),
        (Path("~/mine"), {}, "/h/mine"),
    ],
)
def test_which_home(monkeypatch: pytest.MonkeyPatch, option, environ, expected) -> None:
    """Option, variable, systemd's directory, XDG's, in this order."""
    monkeypatch.setenv("HOME", "/h")
    assert resolve_home(option, environ).path == Path(expected)


def test_a_new_home_is_closed(tmp_path: Path) -> None:
    """A home is made 0700, whatever the umask, and made only once."""
    home = Home(tmp_path / "deep" / "home")
    before = os.umask(0)
    try:
        assert home.make()
    finally:
        os.umask(before)
    assert home.path.stat().st_mode & 0o777 == 0o700
    assert home.journal.stat().st_mode & 0o777 == 0o700
    assert not home.make()


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o701, 0o777])
def test_an_open_home_is_refused(tmp_path: Path, mode: int) -> None:
    """A home that group or others can enter is not used and not changed."""
    home = Home(tmp_path / "home")
    home.make()
    home.path.chmod(mode)
    for refuse in (home.check, home.make):
        with pytest.raises(Unsafe) as caught:
            refuse()
        assert caught.value.hint == f"chmod 700 {home.path}"
    assert home.path.stat().st_mode & 0o777 == mode


def test_a_home_that_cannot_be(tmp_path: Path) -> None:
    """A file in the way, and a directory below it, are told apart from a missing home."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be made"):
        Home(tmp_path / "file" / "home").make()
    with pytest.raises(ConfigError, match="is not a directory"):
        Home(tmp_path / "file").check()
    with pytest.raises(ConfigError, match="there is no broker home"):
        Home(tmp_path / "nothing").check()
    assert not Home(tmp_path / "file" / "home").exists()


def test_a_home_that_was_made_halfway_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the key could not be made, the next attempt says that the home is made, not that it was there."""
    key = tmp_path / "keys" / "master.key"
    monkeypatch.setenv("CODEX_BROKER_SEAL_KEY_FILE", str(key))
    home = Home(tmp_path / "home")
    settings = load_settings(home)
    with pytest.raises(ConfigError):
        make_home(home, settings, config=None)
    key.parent.mkdir(mode=0o700)
    assert make_home(home, settings, config=None)
    assert key.exists()
    assert not make_home(home, settings, config=None)


def test_a_daemon_waits_for_a_command_that_works_without_one(tmp_path: Path) -> None:
    """A service that starts while a command holds the home takes it over when the command ends."""
    looked = threading.Event()

    class Watched(Home):
        def holder(self) -> str:
            looked.set()
            return super().holder()

    def serve() -> bool:
        with Watched(tmp_path).lock():
            return True

    with ThreadPoolExecutor(1) as pool:
        with Home(tmp_path).try_lock() as free:
            assert free
            started = pool.submit(serve)
            assert looked.wait(30)
        assert started.result(30)


def test_one_process_holds_it(tmp_path: Path) -> None:
    """A second holder is refused with the first one's pid; afterwards the home is free again."""
    home = Home(tmp_path)
    with home.lock(), pytest.raises(ConfigError, match=rf"\(pid {os.getpid()}\)"), home.lock():
        pass
    with home.try_lock() as free:
        assert free
        with home.try_lock() as again:
            assert not again


@pytest.mark.parametrize("name", ["ENOLCK", "EOPNOTSUPP"])
def test_a_file_system_without_locks_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name
) -> None:
    """Where no lock can be taken two brokers could not be told apart, so none starts."""

    def refused(_fd, _operation):
        raise OSError(getattr(errno, name), os.strerror(getattr(errno, name)))

    monkeypatch.setattr(fcntl, "flock", refused)
    home = Home(tmp_path / "home")
    home.make()
    with pytest.raises(ConfigError, match=r"broker\.lock cannot be locked") as caught, home.try_lock():
        pass
    assert caught.value.hint == "put the home on a local file system"


def test_files_open_to_others_are_named(tmp_path: Path) -> None:
    """The first file with modes for others is named with the command that closes it."""
    home = Home(tmp_path / "home")
    home.make()
    home.check_files()
    (home.path / "broker.db").touch(mode=0o644)
    (home.path / "broker.db").chmod(0o644)
    with pytest.raises(Unsafe) as caught:
        home.check_files()
    assert caught.value.hint == f"chmod go= {home.path}/broker.db"
