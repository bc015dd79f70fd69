"""File systems and users of a test's own: small, read-only, somebody else's."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.need import missing, need_program, need_root

__all__ = ["NOBODY", "acting_as", "mounted", "open_directory", "read_only", "tmpfs"]

NOBODY = 65_534
"""A user and group that own nothing on any Debian machine."""


@contextmanager
def mounted(where: Path, *words: str) -> Iterator[Path]:
    """Run ``mount WORDS… WHERE`` for the length of a block."""
    need_root("a file system of its own")
    mount = need_program("mount", "mount")
    done = subprocess.run([mount, *words, str(where)], capture_output=True, text=True, check=False)
    if done.returncode:
        missing("the right to mount", f"CAP_SYS_ADMIN; {done.stderr.strip()}")
    try:
        yield where
    finally:
        subprocess.run(["umount", "--lazy", str(where)], check=True)


@contextmanager
def tmpfs(where: Path, *, size_k: int) -> Iterator[Path]:
    """Mount a file system of so many KiB on a new directory."""
    where.mkdir()
    with mounted(where, "-t", "tmpfs", "-o", f"size={size_k}k,mode=700", "none"):
        yield where


@contextmanager
def read_only(where: Path) -> Iterator[Path]:
    """Make a directory, or one file, unwritable for root too."""
    with mounted(where, "--bind", "-o", "ro", str(where)):
        yield where


@contextmanager
def acting_as(user: int) -> Iterator[None]:
    """Be another user, of the group of the same number, for the length of a block."""
    need_root("what another user may do")
    groups, group = os.getgroups(), os.getegid()
    os.setgroups([])
    os.setegid(user)
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


@contextmanager
def open_directory() -> Iterator[Path]:
    """Make a directory that every user can reach, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="open-") as name:
        path = Path(name).resolve()
        path.chmod(0o755)
        yield path
