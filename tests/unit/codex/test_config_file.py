import os
import stat

import pytest

from fetchtoken.codex import config_file
from fetchtoken.codex.config_file import ChangedMeanwhile, read_config, write_config
from fetchtoken.domain.errors import ConfigError, Unsafe
from tests.support.need import need_root


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "config.toml"
    file.write_bytes(b"a = 1\r\n")
    return file


def test_mode_and_link_stay(path, tmp_path):
    """The file behind a link is replaced, with the mode that it had, whatever that is."""
    path.chmod(0o640)
    link = tmp_path / "link.toml"
    link.symlink_to(path.name)
    write_config(str(link), "a = 1\r\n", "b = 2\n")
    assert link.is_symlink()
    assert path.read_bytes() == b"b = 2\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_owner_stays(path):
    """Run by root for somebody else, the file stays theirs."""
    need_root("giving files away")
    os.chown(path, 12345, 12345)
    write_config(str(path), "a = 1\r\n", "b = 2\n")
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 12345)


def test_a_new_file_is_private(tmp_path):
    """Where there was none, directory and file are made for the owner alone; and removed again."""
    path = tmp_path / "new/config.toml"
    write_config(str(path), None, "a = 1\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    write_config(str(path), "a = 1\n", None)
    assert read_config(str(path)) is None


@pytest.mark.parametrize("after", ["b = 2\n", None])
@pytest.mark.parametrize("meanwhile", [b"theirs = 1\n", b"", b"\xff", None])
def test_what_others_wrote_meanwhile_is_not_overwritten(path, meanwhile, after, monkeypatch):
    """The file is looked at right before it is replaced: another content, or none, stays."""
    real = config_file.check_document_replaceable

    def late(*words):
        real(*words)
        path.write_bytes(meanwhile) if meanwhile is not None else path.unlink()

    monkeypatch.setattr(config_file, "check_document_replaceable", late)
    with pytest.raises((ChangedMeanwhile, ConfigError)):
        write_config(str(path), "a = 1\r\n", after)
    assert (path.read_bytes() if path.exists() else None) == meanwhile
    assert [one.name for one in path.parent.iterdir() if one.name.endswith(".tmp")] == []


def test_a_file_that_came_meanwhile_is_not_overwritten(path):
    """Nothing was there when it was read, and something is now."""
    with pytest.raises(ChangedMeanwhile):
        write_config(str(path), None, "b = 2\n")
    assert path.read_bytes() == b"a = 1\r\n"


def test_a_hard_link_is_refused(path, tmp_path):
    """Its other name would keep the old content: exit 8."""
    (tmp_path / "other").hardlink_to(path)
    with pytest.raises(Unsafe, match="hard-linked"):
        write_config(str(path), "a = 1\r\n", "b = 2\n")


def test_a_read_only_file_is_refused(path):
    """Whoever made it so meant it: exit 8, for root as well."""
    path.chmod(0o400)
    with pytest.raises(Unsafe, match="read-only"):
        write_config(str(path), "a = 1\r\n", "b = 2\n")
    assert path.read_bytes() == b"a = 1\r\n"


def test_a_directory_that_cannot_be_written(path, monkeypatch):
    """The disk's own refusal is said with the file's name, and the file stays."""

    def full(*_, **__):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(config_file, "replace_file", full)
    with pytest.raises(Unsafe, match="cannot be written: No space left"):
        write_config(str(path), "a = 1\r\n", "b = 2\n")


def test_what_is_no_text(path):
    """Bytes that are no UTF-8 are a matter of configuration: exit 2."""
    path.write_bytes(b"a = '\xff'\n")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_config(str(path))
