"""Replacing a key file that is in use: durable before use, never without a key that is in force."""

import errno
import os
import stat
from contextlib import suppress

import pytest

from broker.seal.keychange import check_changeable, keys_in_force, replace_key_file, settle_key_file
from broker.seal.keyfile import create_keyring, load_keyring, render
from broker.seal.keyring import Keyring
from fetchtoken.domain.errors import ConfigError, Malformed, NotFound, Unsafe
from tests.support.places import read_only, tmpfs

NOW = 1_764_000_000.0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "master.key"


@pytest.fixture
def ring(path):
    return create_keyring(path, now=lambda: NOW)


def names(directory):
    return sorted(entry.name for entry in directory.iterdir())


def fill(file):
    """Write until the disk is full."""
    with file.open("wb", buffering=0) as raw, suppress(OSError):
        while True:
            raw.write(bytes(4096))


def test_a_ring_is_written_over_a_file_and_reads_back(path, ring):
    """The file then holds both keys, the new one current, each with its age, and nothing else lies about."""
    both = ring.and_new(os.urandom, NOW + 60)
    replace_key_file(path, both)
    loaded = load_keyring(path)
    assert (loaded.current, loaded.ids) == (both.current, ring.ids | {both.current})
    assert (loaded.since(ring.current), loaded.since(both.current)) == (NOW, NOW + 60)
    assert names(path.parent) == ["master.key"]


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_the_mode_stays(path, ring, mode):
    """A file that its owner made read-only is so afterwards too."""
    path.chmod(mode)
    replace_key_file(path, ring.and_new(os.urandom, NOW))
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_link_stays_and_its_target_is_replaced(tmp_path, path, ring):
    """A key file that is a symbolic link leads to the new keys, where the old ones were."""
    target = tmp_path / "elsewhere"
    path.rename(target)
    path.symlink_to(target)
    both = ring.and_new(os.urandom, NOW)
    replace_key_file(path, both)
    assert path.is_symlink()
    assert load_keyring(target).current == both.current


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("step", ["open", "write", "fsync", "replace"])
def test_a_failing_step_leaves_the_old_file(path, ring, monkeypatch, step, number):
    """Whatever fails before the rename, the old keys stand and no draft with keys is left."""
    before = path.read_bytes()
    real = getattr(os, step)

    def fail(*values, **named):
        if step == "open" and not values[1] & os.O_WRONLY:
            return real(*values, **named)
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        with pytest.raises(ConfigError, match=f"{path} cannot be written: {os.strerror(number)}") as caught:
            replace_key_file(path, ring.and_new(os.urandom, NOW))
    assert ("COPY" if number == errno.EROFS else "free or mend") in caught.value.hint
    assert path.read_bytes() == before
    assert names(path.parent) == ["master.key"]


def test_a_full_disk_leaves_the_old_file(tmp_path):
    """On a file system without a free block the old keys stand."""
    with tmpfs(tmp_path / "small", size_k=16) as small:
        path = small / "master.key"
        ring = create_keyring(path)
        fill(small / "filler")
        with pytest.raises(ConfigError, match="No space left on device"):
            replace_key_file(path, ring.and_new(os.urandom, NOW))
        assert load_keyring(path).ids == ring.ids
        assert names(small) == ["filler", "master.key"]


def test_a_read_only_file_system_is_told_with_the_way_round(tmp_path):
    """A mounted secret cannot be changed: exit 2, and how to go about it."""
    directory = tmp_path / "secrets"
    directory.mkdir()
    path = directory / "master.key"
    ring = create_keyring(path)
    with read_only(directory), pytest.raises(ConfigError, match="Read-only file system") as caught:
        replace_key_file(path, ring.and_new(os.urandom, NOW))
    assert "CODEX_BROKER_SEAL_KEY_FILE=COPY codex-broker key rotate" in caught.value.hint


def test_systemds_copy_is_not_touched(path, ring):
    """What systemd passed is a copy: changing it would be undone at the next start."""
    environ = {"CREDENTIALS_DIRECTORY": str(path.parent)}
    before = path.read_bytes()
    for act in (lambda: check_changeable(path, environ), lambda: replace_key_file(path, ring, environ)):
        with pytest.raises(ConfigError, match="systemd's copy of a credential") as caught:
            act()
        assert "CODEX_BROKER_SEAL_KEY_FILE=COPY" in caught.value.hint
    assert path.read_bytes() == before


def test_a_draft_that_a_kill_left_is_removed(path, ring):
    """A half-made replacement holds keys, so it goes at the next start and at the next change."""
    for act in (lambda: settle_key_file(path), lambda: replace_key_file(path, ring)):
        draft = path.with_name(".master.key.0123456789ab.tmp")
        draft.write_text(render(ring))
        others = path.with_name(".master.key.mine.tmp")
        others.touch()
        act()
        assert names(path.parent) == [others.name, "master.key"]


def test_settling_nothing_is_fine(tmp_path):
    """Where there is no key file, or no place for one, there is nothing to settle."""
    settle_key_file(tmp_path / "master.key")
    settle_key_file(tmp_path / "nowhere" / "master.key")


def test_an_unconfirmed_key_in_the_file_is_taken_up(path, ring):
    """The file was replaced and its last fsync failed: the key in it becomes current, none is made."""
    written = ring.and_new(os.urandom, NOW)
    replace_key_file(path, written)
    found = keys_in_force(ring)
    assert (found.current, found.ids) == (written.current, written.ids)


def test_a_former_key_that_only_the_ring_has_is_kept(path, ring):
    """The key file lost a former key, which boxes may still need: the next replacement writes it again."""
    both = ring.and_new(os.urandom, NOW)
    replace_key_file(path, both.without(ring.ids))
    found = keys_in_force(both)
    assert (found.current, found.ids) == (both.current, both.ids)


def test_another_ones_key_file_is_refused(path, ring):
    """A file without the key in force is not the one this broker works with: nothing is written."""
    other = Keyring.new(os.urandom, str(path))
    replace_key_file(path, other)
    with pytest.raises(ConfigError, match=f"lacks key {ring.current}"):
        keys_in_force(ring)
    assert load_keyring(path).ids == other.ids


def test_a_file_that_cannot_be_read_is_named(path, ring):
    """Gone, open to others or no key file at all: said as at a start."""
    path.chmod(0o640)
    with pytest.raises(Unsafe):
        keys_in_force(ring)
    path.chmod(0o600)
    path.write_text("{}")
    with pytest.raises(Malformed):
        keys_in_force(ring)
    path.unlink()
    with pytest.raises(NotFound):
        keys_in_force(ring)
