import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fetchtoken.files.atomic import fsync_dir, replace_file, sweep, write_all
from tests.support.need import need_program, need_root
from tests.support.places import NOBODY, acting_as, read_only, tmpfs

REPLACE = (
    "import sys; from fetchtoken.files.atomic import replace_file; replace_file(sys.argv[1], b'new' * 1000)"
)


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def mode_of(path):
    return path.stat().st_mode & 0o7777


def test_a_new_file_is_private(tmp_path):
    """A file that did not exist has the content and 0600, whatever the umask."""
    old = os.umask(0)
    try:
        replace_file(tmp_path / "auth.json", b"new")
    finally:
        os.umask(old)
    assert (tmp_path / "auth.json").read_bytes() == b"new"
    assert mode_of(tmp_path / "auth.json") == 0o600
    assert names(tmp_path) == ["auth.json"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o400])
def test_the_mode_is_what_was_asked_for(tmp_path, mode):
    """The old file's mode does not count, and the umask takes nothing away."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o666)
    replace_file(path, b"new", mode=mode)
    assert mode_of(path) == mode


def test_the_file_is_another_one(tmp_path):
    """A reader that has the old file open goes on reading the old content."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        replace_file(path, b"new")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("links", [["real/auth.json"], ["other", "real/auth.json"], ["{}/real/auth.json"]])
@pytest.mark.parametrize("exists", [True, False], ids=["existing", "dangling"])
def test_a_symbolic_link_stays(tmp_path, links, exists):
    """The target at the end of the chain is replaced and all links stay links, as Codex does it."""
    real = tmp_path / "real"
    real.mkdir()
    if exists:
        (real / "auth.json").write_bytes(b"old")
    made = ["auth.json", "other"][: len(links)]
    for name, target in zip(made, links, strict=True):
        (tmp_path / name).symlink_to(target.format(tmp_path))
    replace_file(tmp_path / "auth.json", b"new")
    assert all((tmp_path / name).is_symlink() for name in made)
    assert (real / "auth.json").read_bytes() == b"new"
    assert names(real) == ["auth.json"]
    assert names(tmp_path) == sorted([*made, "real"])


def test_root_keeps_the_owner(tmp_path):
    """Run by root, somebody else's file stays theirs, group included."""
    need_root("a file of somebody else")
    path = tmp_path / "auth.json"
    path.write_bytes(b"old")
    os.chown(path, NOBODY, 7)
    replace_file(path, b"new")
    status = path.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (NOBODY, 7, 0o600)


def test_a_full_disk_leaves_the_old_file(tmp_path):
    """ENOSPC is raised, the old content stays, and no temporary file takes up the last space."""
    with tmpfs(tmp_path / "small", size_k=64) as small:
        (small / "auth.json").write_bytes(b"old")
        with pytest.raises(OSError, match="No space") as caught:
            replace_file(small / "auth.json", b"x" * 200_000)
        assert caught.value.errno == errno.ENOSPC
        assert (small / "auth.json").read_bytes() == b"old"
        assert names(small) == ["auth.json"]


def test_a_read_only_file_system_leaves_the_old_file(tmp_path):
    """EROFS is raised, for root too."""
    (tmp_path / "auth.json").write_bytes(b"old")
    with read_only(tmp_path), pytest.raises(OSError, match="Read-only") as caught:
        replace_file(tmp_path / "auth.json", b"new")
    assert caught.value.errno == errno.EROFS
    assert names(tmp_path) == ["auth.json"]


def test_a_directory_of_somebody_else_leaves_the_old_file(shared):
    """Who may not write the directory changes nothing."""
    path = shared / "auth.json"
    path.write_bytes(b"old")
    path.chmod(0o666)
    with acting_as(NOBODY), pytest.raises(PermissionError):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(shared) == ["auth.json"]


def test_a_failing_rename_leaves_no_litter(tmp_path):
    """What cannot be replaced, here a directory, stays, and the temporary file goes."""
    (tmp_path / "auth.json").mkdir()
    with pytest.raises(OSError, match="directory"):
        replace_file(tmp_path / "auth.json", b"new")
    assert names(tmp_path) == ["auth.json"]


def test_a_missing_directory_is_an_error(tmp_path):
    """Directories are not made."""
    with pytest.raises(FileNotFoundError):
        replace_file(tmp_path / "no" / "auth.json", b"new")


def traced(path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    strace = need_program("strace", "strace")
    argv = [strace, "-f", *words, sys.executable, "-c", REPLACE, str(path)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


def test_the_content_is_durable_before_the_rename_and_the_name_after_it(tmp_path):
    """The file is synced, renamed, then its directory synced: in this order."""
    done = traced(tmp_path / "f", "-y", "-e", "trace=fsync,fdatasync,rename,renameat,renameat2")
    calls = [line for line in done.stderr.splitlines() if str(tmp_path) in line]
    assert [line.partition("(")[0].split()[-1] for line in calls] == ["fsync", "rename", "fsync"]
    assert ".tmp>" in calls[0]
    assert f"<{tmp_path}>" in calls[2]


@pytest.mark.parametrize("when", ["1", "2"], ids=["file", "directory"])
def test_a_failing_fsync_is_raised(tmp_path, when):
    """EIO before the rename leaves the old file; after it the new one is there, and the error is told."""
    (tmp_path / "f").write_bytes(b"old")
    done = traced(tmp_path / "f", "-e", "trace=fsync", "-e", f"inject=fsync:error=EIO:when={when}")
    assert done.returncode != 0
    assert "OSError: [Errno 5]" in done.stderr
    assert (tmp_path / "f").read_bytes() == (b"old" if when == "1" else b"new" * 1000)
    assert names(tmp_path) == ["f"]


def test_a_kill_in_the_middle_leaves_litter_that_can_be_swept(tmp_path):
    """After SIGKILL before the rename the old file stands; sweeping removes only what we left behind."""
    (tmp_path / "f").write_bytes(b"old")
    (tmp_path / ".f.other.tmp").write_bytes(b"not ours")
    (tmp_path / ".g.0123456789ab.tmp").write_bytes(b"another file's")
    done = traced(tmp_path / "f", "-e", "trace=rename", "-e", "inject=rename:signal=KILL")
    assert done.returncode != 0
    assert len(names(tmp_path)) == 4
    sweep(tmp_path / "f")
    assert names(tmp_path) == [".f.other.tmp", ".g.0123456789ab.tmp", "f"]
    assert (tmp_path / "f").read_bytes() == b"old"


def test_an_interrupt_after_the_rename_is_not_masked(tmp_path, monkeypatch):
    """Ctrl-C right behind the rename stays Ctrl-C, though there is no temporary file to remove."""

    def rename_then_interrupt(source, target, real=os.replace):
        real(source, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", rename_then_interrupt)
    with pytest.raises(KeyboardInterrupt):
        replace_file(tmp_path / "f", b"new")
    assert (tmp_path / "f").read_bytes() == b"new"


def test_readers_never_see_a_part(tmp_path):
    """While a file is replaced 300 times, each read gives one of the whole contents."""
    path = tmp_path / "f"
    contents = [bytes([65 + i]) * 50_000 for i in range(3)]
    replace_file(path, contents[0])
    done = threading.Event()
    seen = set()

    def read():
        while not done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for i in range(300):
        replace_file(path, contents[i % 3])
    done.set()
    reader.join()
    assert seen <= set(contents)


def test_write_all_writes_everything_through_a_pipe():
    """A descriptor that takes little at a time gets all bytes in order."""
    data = os.urandom(300_000)
    read_fd, write_fd = os.pipe()
    got = []
    with os.fdopen(read_fd, "rb") as end:
        reader = threading.Thread(target=lambda: got.append(end.read()))
        reader.start()
        write_all(write_fd, data)
        os.close(write_fd)
        reader.join()
    assert got == [data]


def test_fsync_dir_wants_a_directory(tmp_path):
    """A file, or nothing, is an error and not passed over."""
    (tmp_path / "f").touch()
    fsync_dir(tmp_path)
    with pytest.raises(OSError, match="irectory"):
        fsync_dir(tmp_path / "f")
    with pytest.raises(FileNotFoundError):
        fsync_dir(tmp_path / "no")
