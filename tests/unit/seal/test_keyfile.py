"""The master key file: made once, read strictly, several keys possible."""

import json
import os
from base64 import b64encode

import pytest

from broker.seal.keyfile import create_keyring, default_key_file, load_keyring, render
from broker.seal.keyring import Keyring, key_id_of
from fetchtoken.domain.errors import ConfigError, Malformed, NotFound, Unsafe

KEYS = [bytes([number]) * 32 for number in (1, 2)]


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "master.key"
    create_keyring(path)
    return path


def _write(path, document):
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    path.chmod(0o600)
    return path


def test_a_new_file_is_private_and_reads_back(tmp_path):
    """The file is 0600 whatever the umask, and holds the key that was returned."""
    old = os.umask(0)
    try:
        ring = create_keyring(tmp_path / "master.key")
    finally:
        os.umask(old)
    assert (tmp_path / "master.key").stat().st_mode & 0o777 == 0o600
    loaded = load_keyring(tmp_path / "master.key")
    assert loaded.current == ring.current
    assert loaded.derive("seal") == ring.derive("seal")


def test_two_new_files_differ(tmp_path):
    """Each home gets a key of its own."""
    assert create_keyring(tmp_path / "a").current != create_keyring(tmp_path / "b").current


def test_an_existing_file_is_never_overwritten(key_file):
    """Making a key where there is one fails and leaves it."""
    before = key_file.read_bytes()
    with pytest.raises(ConfigError, match="not overwritten"):
        create_keyring(key_file)
    assert key_file.read_bytes() == before


def test_a_file_that_cannot_be_made_is_named(tmp_path):
    """A missing directory is a matter of configuration."""
    with pytest.raises(ConfigError, match=r"nowhere/master\.key cannot be made"):
        create_keyring(tmp_path / "nowhere" / "master.key")


def test_a_full_disk_leaves_no_part_of_a_file(tmp_path, monkeypatch):
    """When the key cannot be written whole, there is no file."""

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="cannot be made: No space left"):
        create_keyring(tmp_path / "master.key")
    assert list(tmp_path.iterdir()) == []


def test_several_keys_and_a_current_one(tmp_path):
    """A file may hold several keys; the one it names as current is."""
    ids = [key_id_of(key) for key in KEYS]
    ring = Keyring(dict(zip(ids, KEYS, strict=True)), ids[1], "x")
    loaded = load_keyring(_write(tmp_path / "master.key", render(ring)))
    assert (loaded.current, loaded.ids) == (ids[1], frozenset(ids))


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o644, 0o660, 0o666])
def test_a_file_that_others_can_read_is_refused(key_file, mode):
    """Any bit for group or others is exit 8 with the chmod to do."""
    key_file.chmod(mode)
    with pytest.raises(Unsafe) as caught:
        load_keyring(key_file)
    assert caught.value.hint == f"chmod 600 {key_file}"


def test_a_missing_file_is_named(tmp_path):
    """No file is exit 4 with the command that makes one."""
    with pytest.raises(NotFound, match="no master key") as caught:
        load_keyring(tmp_path / "master.key")
    assert caught.value.hint == "codex-broker init"


GOOD = {key_id_of(KEYS[0]): b64encode(KEYS[0]).decode()}


@pytest.mark.parametrize(
    "document",
    [
        "",
        "not json",
        "[]",
        "{}",
        {"version": 2, "current": next(iter(GOOD)), "keys": GOOD},
        {"version": 1, "current": "deadbeef", "keys": GOOD},
        {"version": 1, "current": 7, "keys": GOOD},
        {"version": 1, "current": next(iter(GOOD)), "keys": [*GOOD]},
        {"version": 1, "current": next(iter(GOOD)), "keys": {next(iter(GOOD)): "?!"}},
        {"version": 1, "current": next(iter(GOOD)), "keys": {next(iter(GOOD)): 5}},
    ],
    ids=repr,
)
def test_what_is_no_key_file_is_refused(tmp_path, document):
    """Anything of another shape is exit 7 and names the file, never its content."""
    with pytest.raises(Malformed, match="is not a master key file") as caught:
        load_keyring(_write(tmp_path / "master.key", document))
    assert GOOD[next(iter(GOOD))] not in str(caught.value)


@pytest.mark.parametrize(
    "key", [KEYS[1], KEYS[0][:31], KEYS[0] + b"x", b""], ids=["swapped", "cut", "longer", "empty"]
)
def test_a_damaged_key_is_noticed(tmp_path, key):
    """A key that is not the one its id was made from is exit 8."""
    key_id = key_id_of(KEYS[0])
    document = {"version": 1, "current": key_id, "keys": {key_id: b64encode(key).decode()}}
    with pytest.raises(Unsafe, match=f"master key {key_id} in .* is damaged"):
        load_keyring(_write(tmp_path / "master.key", document))


def test_systemd_credentials_come_first(tmp_path):
    """A key that systemd passes is taken before the home's; without one the home's is."""
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    environ = {"CREDENTIALS_DIRECTORY": str(credentials)}
    home = tmp_path / "home"
    assert default_key_file(home, environ) == home / "master.key"
    create_keyring(credentials / "master.key")
    assert default_key_file(home, environ) == credentials / "master.key"
    assert default_key_file(home, {}) == home / "master.key"


@pytest.mark.parametrize(("mode", "accepted"), [(0o400, True), (0o440, True), (0o444, False), (0o460, False)])
def test_a_credentials_acl_shows_as_group_read(tmp_path, mode, accepted):
    """The unit is granted its credential by an ACL, whose mask shows as group-read; more is refused."""
    path = tmp_path / "master.key"
    create_keyring(path)
    path.chmod(mode)
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    if accepted:
        assert load_keyring(path, environ).ids
    else:
        with pytest.raises(Unsafe, match="can be read by others"):
            load_keyring(path, environ)


def test_a_key_file_gets_its_name_when_it_is_whole(tmp_path, monkeypatch):
    """A start that dies while it writes the key leaves no half file in the key's place."""
    seen = []
    fsync = os.fsync

    def look(fd):
        seen.append((tmp_path / "master.key").exists())
        fsync(fd)

    monkeypatch.setattr(os, "fsync", look)
    create_keyring(tmp_path / "master.key")
    assert seen[0] is False
    assert [path.name for path in tmp_path.iterdir()] == ["master.key"]
