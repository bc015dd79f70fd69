import json
import os
import stat
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from fetchtoken.domain.secret import Secret
from fetchtoken.domain.token import Token
from fetchtoken.sources.cache import Copy, cache_file, forget, read_copy, write_copy
from tests.support.tokens import jwt, settings_of


@pytest.fixture
def path(tmp_path):
    return cache_file(settings_of(tmp_path), "work", Secret("cbk_a_b"))


def written(path, **more):
    token = Token.from_jwt(jwt(), account="work", source="remote")
    write_copy(path, Copy(token, '"1"', time.time()))
    if more:
        document = json.loads(Path(path).read_text())
        Path(path).write_text(json.dumps({**document, **more}))
    return path


def make_strange(path, monkeypatch):
    """Let a file belong to somebody who is neither the caller nor root."""
    if os.geteuid() == 0:
        os.chown(path, 12345, 12345)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)


def test_where_copies_lie(tmp_path):
    """``XDG_CACHE_HOME`` counts where it is absolute, else ``~/.cache``."""
    default = cache_file(settings_of(tmp_path), "", None)
    assert str(Path(default).parent) == f"{tmp_path}/.cache/codex-fetchtoken"
    assert cache_file(settings_of(tmp_path, XDG_CACHE_HOME="relative"), "", None) == default
    assert cache_file(settings_of(tmp_path, XDG_CACHE_HOME="/x"), "", None).startswith("/x/codex-fetchtoken/")


def test_a_copy_comes_back_as_it_was_written(path):
    """Token, tag and time survive."""
    token = Token.from_jwt(jwt(), id_token=jwt(1), account="work", account_id="acct-9", source="remote")
    write_copy(path, Copy(token, '"1"', 1000.5))
    copy = read_copy(path)
    assert (copy.etag, copy.checked_at) == ('"1"', 1000.5)
    for name in token.__slots__:
        assert getattr(copy.token, name) == getattr(token, name)


def test_age():
    """A copy is recent for its age, not for one that lies in the future."""
    copy = Copy(Token.from_jwt(jwt()), "", 1000.0)
    assert copy.is_recent(300, 1000.0)
    assert copy.is_recent(300, 1299.9)
    assert not copy.is_recent(300, 1300.0)
    assert not copy.is_recent(300, 999.9)
    assert not copy.is_recent(0, 1000.0)


@pytest.mark.parametrize(
    "more",
    [
        {"form": 2},
        {"for": "another"},
        {"access_token": ""},
        {"access_token": None},
        {"etag": 3},
        {"expires_at": "soon"},
        {"expires_at": True},
        {"expires_at": 1e300},
        {"checked_at": None},
        {"checked_at": -1},
    ],
)
def test_an_odd_copy_does_not_exist(path, more):
    """Another form, another broker's copy, or a field of another type is passed over."""
    assert read_copy(written(path)) is not None
    assert read_copy(written(path, **more)) is None


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.one_of(st.binary(max_size=60), st.text().map(str.encode), st.just(b"[1]"), st.just(b'{"form":1}'))
)
def test_a_corrupt_copy_does_not_exist(path, data):
    """Whatever bytes lie there, reading them raises nothing."""
    written(path)
    Path(path).write_bytes(data)
    assert read_copy(path) is None


def test_a_copy_that_others_can_read_does_not_exist(path):
    """Loose modes and foreign owners are not relied on."""
    written(path)
    Path(path).chmod(0o640)
    assert read_copy(path) is None
    Path(path).chmod(0o600)
    assert read_copy(path) is not None


def test_a_strangers_copy_does_not_exist(path, monkeypatch):
    """A copy of another owner is passed over."""
    make_strange(written(path), monkeypatch)
    assert read_copy(path) is None


def test_a_link_is_replaced_and_not_followed(path, tmp_path):
    """A copy never lands where a link leads."""
    elsewhere = tmp_path / "precious"
    elsewhere.write_text("precious")
    Path(path).parent.mkdir(mode=0o700, parents=True)
    Path(path).symlink_to(elsewhere)
    assert read_copy(written(path)) is not None
    assert elsewhere.read_text() == "precious"
    assert not Path(path).is_symlink()


def test_a_loose_directory_is_tightened(path):
    """The directory of the copies is the caller's alone."""
    directory = Path(path).parent
    directory.mkdir(parents=True)
    directory.chmod(0o755)
    written(path)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_a_strangers_directory_gets_no_copy(path, monkeypatch):
    """Nothing is written where somebody else owns the directory."""
    directory = Path(path).parent
    directory.mkdir(mode=0o700, parents=True)
    make_strange(directory, monkeypatch)
    with pytest.raises(OSError, match="another user"):
        written(path)
    assert list(directory.iterdir()) == []


def test_forgetting(path):
    """A forgotten copy is gone, and forgetting it twice is no error."""
    written(path)
    assert forget(path)
    assert not Path(path).exists()
    assert forget(path)
