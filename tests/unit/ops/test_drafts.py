"""Files in the making."""

import errno
import io
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from broker.ops.drafts import draft, is_draft, put, sweep_drafts
from fetchtoken.domain.errors import ConfigError

ROOT = Path(__file__).parents[3]
MAKER = """
import sys, time
from pathlib import Path
from broker.ops.drafts import draft
with draft(Path(sys.argv[1]), "store") as (path, file):
    print(path.name, flush=True)
    time.sleep(60)
"""
SWEEPER = """
import sys
from pathlib import Path
from broker.ops.drafts import sweep_drafts
sweep_drafts(Path(sys.argv[1]), "store")
"""


def test_a_file_is_put_whole(tmp_path):
    """The copy is the owner's alone, and nothing else stays in the directory."""
    put(io.BytesIO(b"content"), tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"content"
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


@pytest.mark.parametrize("links", [True, False], ids=["with hard links", "without"])
def test_what_exists_is_not_overwritten(tmp_path, links):
    """Neither a file nor a link is replaced, on any file system; no draft stays."""
    (tmp_path / "copy").symlink_to(tmp_path / "elsewhere")
    refused = mock.patch("os.link", side_effect=OSError(errno.EPERM, "no hard links"))
    with refused if not links else mock.patch("os.link", os.link), pytest.raises(ConfigError, match="exists"):
        put(io.BytesIO(b"content"), tmp_path / "copy")
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_a_file_system_without_hard_links_takes_it_too(tmp_path):
    """A backup goes to a memory stick as to any other place."""
    with mock.patch("os.link", side_effect=OSError(errno.EPERM, "no hard links")):
        put(io.BytesIO(b"content"), tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"content"
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_a_full_disk_leaves_nothing(tmp_path):
    """Where the copy does not fit there is none, and the hint looks at the disk."""
    with (
        mock.patch("os.fsync", side_effect=OSError(errno.ENOSPC, "full")),
        pytest.raises(ConfigError, match="No space left") as caught,
    ):
        put(io.BytesIO(b"content"), tmp_path / "copy")
    assert caught.value.hint == f"df {tmp_path}"
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_swept_and_nothing_else(tmp_path):
    """A draft that somebody is writing stays; once its maker is dead it goes."""
    command = [sys.executable, "-c", MAKER, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as maker:
        assert maker.stdout is not None
        name = maker.stdout.readline().strip()
        sweep_drafts(tmp_path, "store")
        assert (tmp_path / name).exists()
        maker.kill()
        maker.wait()
    with draft(tmp_path, "other"):
        assert (tmp_path / name).exists()
    with draft(tmp_path, "store") as (path, _):
        assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert list(tmp_path.iterdir()) == []


def test_what_others_plant_in_a_shared_directory_holds_nobody_up(tmp_path):
    """A pipe under a draft's name is not waited for, and a link under one is not followed."""
    os.mkfifo(tmp_path / ".store.0123456789ab.draft")
    outside = tmp_path / "outside"
    outside.touch()
    (tmp_path / ".store.ba9876543210.draft").symlink_to(outside)
    subprocess.run([sys.executable, "-c", SWEEPER, str(tmp_path)], cwd=ROOT, check=True, timeout=20)
    assert outside.exists()
    assert not (tmp_path / ".store.0123456789ab.draft").exists()


@pytest.mark.parametrize(
    "name",
    ["broker.db", "master.key", ".backup.draft", ".backup.0123456789ab.tmp", ".backup.0123456789aG.draft", "",
     ".backup./../master.draft", "x.backup.0123456789ab.draft", ".backup.0123456789ab.draft/x"],
)  # fmt: skip
def test_no_other_name_is_a_drafts(name):
    """What could name any other file of a home is none."""
    assert not is_draft(name, "backup")
    assert is_draft(".backup.0123456789ab.draft", "backup")
