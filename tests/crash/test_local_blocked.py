"""Where the new file could not be kept, nothing is sent: not one request reaches the issuer."""

import os
from contextlib import ExitStack, contextmanager

import pytest

from tests.support.laptop import EXPIRED, STALE
from tests.support.need import need_program
from tests.support.places import mounted, read_only, tmpfs


@contextmanager
def read_only_directory(laptop):
    with read_only(laptop.codex_home):
        yield ()


@contextmanager
def read_only_file(laptop):
    laptop.auth.chmod(0o400)
    yield ()


@contextmanager
def read_only_mount_of_the_file(laptop):
    with read_only(laptop.auth):
        yield ()


@contextmanager
def mount_of_the_file(laptop):
    volume = laptop.home / "volume"
    volume.touch(0o600)
    volume.write_bytes(laptop.auth.read_bytes())
    with mounted(laptop.auth, "--bind", str(volume)):
        yield ()


@contextmanager
def hard_link(laptop):
    os.link(laptop.auth, laptop.home / "copy.json")
    yield ()


@contextmanager
def full_disk(laptop):
    content = laptop.auth.read_bytes()
    laptop.auth.unlink()
    laptop.codex_home.rmdir()
    with tmpfs(laptop.codex_home, size_k=64) as small:
        laptop.auth.touch(0o600)
        laptop.auth.write_bytes(content)
        with pytest.raises(OSError, match="No space"):
            (small / "filler").write_bytes(bytes(1 << 20))
        yield ()


def no_locks(error):
    @contextmanager
    def without(laptop):
        del laptop
        strace = need_program("strace", "strace")
        yield (strace, "-f", "-o", os.devnull, "-e", "trace=flock", "-e", f"inject=flock:error={error}")

    return without


PLACES = {
    "read-only directory": (read_only_directory, "Read-only file system"),
    "read-only file": (read_only_file, "is read-only"),
    "read-only mount of the file": (read_only_mount_of_the_file, "is mounted by itself"),
    "mount of the file": (mount_of_the_file, "is mounted by itself"),
    "hard link": (hard_link, "is hard-linked"),
    "full disk": (full_disk, "No space left on device"),
    "no locks (ENOLCK)": (no_locks("ENOLCK"), "No locks available"),
    "no locks (EOPNOTSUPP)": (no_locks("EOPNOTSUPP"), "not supported"),
}


@pytest.fixture(params=PLACES)
def blocked(request, laptop):
    """Return how to go into a place where nothing can be kept, and its words."""
    place, words = PLACES[request.param]
    with ExitStack() as stack:
        yield lambda: stack.enter_context(place(laptop)), words


def test_an_expired_login_that_could_not_be_kept_is_not_sent(laptop, blocked):
    """Exit 8 with the reason; the file is as it was."""
    enter, words = blocked
    login = laptop.log_in(**EXPIRED)
    ran = laptop.run(before=enter())
    assert (ran.code, ran.out) == (8, "")
    assert words in ran.err
    assert ran.err.count("\n") == 2
    assert laptop.sent() == []
    assert laptop.document() == login.document
    assert not laptop.attempt.exists()


def test_a_live_login_that_could_not_be_kept_is_printed(laptop, blocked):
    """A forced refresh gives the live token with a note; a plain run gives it without."""
    enter, words = blocked
    login = laptop.log_in(**STALE)
    before = enter()
    ran = laptop.run("--force-refresh", before=before)
    assert (ran.code, ran.out) == (0, login.access_token + "\n")
    assert ran.err.startswith("note: not refreshed: ")
    assert words in ran.err
    ran = laptop.run(before=before)
    assert (ran.code, ran.out, ran.err) == (0, login.access_token + "\n", "")
    assert laptop.sent() == []


def test_a_doubt_on_a_read_only_disk_is_told(laptop):
    """The attempt can be judged without writing: the live token comes with a note."""
    login = laptop.log_in(**STALE)
    laptop.issuer.fault("commit-then-500")
    laptop.run("--force-refresh")
    with read_only(laptop.codex_home):
        ran = laptop.run()
    assert (ran.code, ran.out) == (0, login.access_token + "\n")
    assert "in doubt" in ran.err
    assert len(laptop.sent()) == 1


def test_a_system_without_flock_exchanges_nothing(laptop):
    """As on Windows: a live token is printed, an expired one is exit 5, and nothing is sent."""
    stubs = laptop.home / "stubs"
    stubs.mkdir()
    (stubs / "fcntl.py").write_text("raise ImportError('no fcntl')")
    laptop.environ["PYTHONPATH"] = str(stubs)
    login = laptop.log_in(**STALE)
    assert laptop.run().out == login.access_token + "\n"
    laptop.log_in(**EXPIRED)
    ran = laptop.run()
    assert (ran.code, ran.out) == (5, "")
    assert "no flock" in ran.err
    assert laptop.sent() == []
