import os
from itertools import product

import pytest

from fetchtoken.domain.errors import Malformed, NotFound, Unsafe
from fetchtoken.files.guard import read_private, read_text
from tests.support.places import NOBODY, acting_as

CANARY = "rt_canary-99d1"
MODES = (0o600, 0o400, 0o700, 0o200, 0o000, 0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o644, 0o666)
OWNERS = {"root": 0, "nobody": NOBODY, "stranger": 1}
CALLERS = {"root": 0, "nobody": NOBODY}


def expected(owner, caller, mode):
    """State the rule: the caller's own or root's, nothing for others, and the kernel lets them read."""
    if caller != 0 and (owner != caller or not mode & 0o400):
        kernel_lets = owner != caller and mode & 0o004
        return (
            "stranger" if kernel_lets and owner not in (caller, 0) else "loose" if kernel_lets else "closed"
        )
    if owner not in (caller, 0):
        return "stranger"
    return "loose" if mode & 0o077 else "read"


@pytest.mark.parametrize("link", [False, True], ids=["direct", "linked"])
@pytest.mark.parametrize(("owner", "caller", "mode"), list(product(OWNERS, CALLERS, MODES)))
def test_who_may_read_what(shared, owner, caller, mode, link):
    """Owner, caller, mode and link: read, or refused with a reason and a hint that would mend it."""
    path = shared / "auth.json"
    path.write_text(CANARY)
    path.chmod(mode)
    os.chown(path, OWNERS[owner], OWNERS[owner])
    asked = path
    if link:
        asked = shared / "link"
        asked.symlink_to("auth.json")
    verdict = expected(OWNERS[owner], CALLERS[caller], mode)
    with acting_as(CALLERS[caller]):
        if verdict == "read":
            assert read_private(str(asked)) == CANARY
            return
        with pytest.raises(Unsafe) as caught:
            read_private(str(asked))
    hints = {"loose": f"chmod 600 {asked}", "stranger": f"chown {CALLERS[caller]} {asked}", "closed": "ls -l"}
    assert hints[verdict] in caught.value.hint
    assert str(asked) in caught.value.message
    assert CANARY not in caught.value.message


@pytest.mark.parametrize("mode", [0o644, 0o666, 0o604])
def test_a_file_without_secrets_may_be_open_to_others(tmp_path, mode):
    """``private=False`` asks only whether it can be read."""
    path = tmp_path / "settings"
    path.write_text("k=v")
    path.chmod(mode)
    assert read_text(str(path), private=False) == "k=v"


def make(kind, path):
    """Make something at a path that is no proper file."""
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path, 0o600)
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "dangling":
        path.symlink_to("nowhere")
    elif kind == "not text":
        path.write_bytes(b"caf\xe9 " + CANARY.encode())
    elif kind == "large":
        path.write_bytes(CANARY.encode() + b"x" * (1 << 20))
    if path.is_file() and kind != "dangling":
        path.chmod(0o600)


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        ("missing", NotFound, "does not exist"),
        ("dangling", NotFound, "does not exist"),
        ("directory", Malformed, "not a regular file"),
        ("fifo", Malformed, "not a regular file"),
        ("device", Malformed, "not a regular file"),
        ("loop", Malformed, "loop of symbolic links"),
        ("not text", Malformed, "not UTF-8"),
        ("large", Malformed, "larger than 1048576 bytes"),
    ],
)
def test_what_is_no_proper_file_is_said_by_name(tmp_path, kind, error, words):
    """Each kind of oddity has its exit code and its words; nothing blocks, nothing is quoted."""
    path = tmp_path / "auth.json"
    make(kind, path)
    with pytest.raises(error, match=words) as caught:
        read_private(str(path))
    assert str(path) in caught.value.message
    assert CANARY not in caught.value.message


def test_a_path_through_a_file_does_not_exist(tmp_path):
    """ENOTDIR is a missing file, not a damaged one."""
    (tmp_path / "f").touch()
    with pytest.raises(NotFound):
        read_private(str(tmp_path / "f" / "auth.json"))


@pytest.mark.parametrize(("size", "good"), [(0, True), (10, True), (11, False)])
def test_the_limit_is_the_largest_size_that_is_read(tmp_path, size, good):
    """A file of exactly the limit is read; one byte more is refused."""
    path = tmp_path / "f"
    path.touch(0o600)
    path.write_bytes(b"x" * size)
    if good:
        assert read_private(str(path), limit=10) == "x" * size
    else:
        with pytest.raises(Malformed, match="larger than 10 bytes"):
            read_private(str(path), limit=10)


def test_a_large_file_is_read_whole(tmp_path):
    """Several reads make one text, also where a character lies across two of them."""
    path = tmp_path / "f"
    path.touch(0o600)
    text = "é" * 200_000
    path.write_text(text)
    assert read_private(str(path)) == text
