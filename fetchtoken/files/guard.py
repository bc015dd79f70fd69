"""Who may read and write a file: the checks before a secret is read from it."""

from __future__ import annotations

import os
from errno import ELOOP, ENOENT, ENOTDIR

from fetchtoken.domain.errors import Malformed, NotFound, Unsafe

__all__ = ["check_private", "read_private", "read_text", "writable_by_others"]

_LIMIT = 1 << 20
_WORLD_WRITE = 0o002
_GROUP_WRITE = 0o020
_STICKY = 0o1000


def check_private(path: str, status: os.stat_result) -> None:
    """Raise unless only the caller (or root) can read the file.

    Raises:
        Unsafe: another owner, or permission bits for group or others.
    """
    if os.name != "posix":
        return
    if status.st_uid not in (os.geteuid(), 0):
        # Root may read anybody's file, but a stranger's file must not feed root's command.
        raise Unsafe(f"{path} belongs to user {status.st_uid}", hint=f"chown {os.geteuid()} {path}")
    if status.st_mode & 0o077:
        raise Unsafe(f"{path} is readable by group or others", hint=f"chmod 600 {path}")


def read_text(path: str, *, private: bool, limit: int = _LIMIT) -> str:
    """Read a whole UTF-8 file through one descriptor, so that what is checked is what is read.

    Args:
        path: the file; symbolic links are followed.
        private: refuse a file that others can read.
        limit: most bytes accepted.

    Raises:
        NotFound: there is none.
        Unsafe: ``private`` and others can read it, or the caller may not.
        Malformed: too large, not UTF-8, not a regular file.
    """
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        if error.errno in (ENOENT, ENOTDIR):
            raise NotFound(f"{path} does not exist") from None
        if error.errno == ELOOP:
            raise Malformed(f"{path} is a loop of symbolic links") from None
        raise Unsafe(f"{path} cannot be read: {error.strerror}", hint=f"ls -l {path}") from None
    try:
        status = os.fstat(fd)
        if status.st_mode & 0o170000 != 0o100000:
            raise Malformed(f"{path} is not a regular file")
        if private:
            check_private(path, status)
        chunks = []
        left = limit + 1
        while left > 0 and (chunk := os.read(fd, min(left, 65536))):
            chunks.append(chunk)
            left -= len(chunk)
    except OSError as error:
        raise Malformed(f"{path} cannot be read: {error.strerror}") from None
    finally:
        os.close(fd)
    if left <= 0:
        raise Malformed(f"{path} is larger than {limit} bytes")
    try:
        return b"".join(chunks).decode()
    except UnicodeDecodeError:
        raise Malformed(f"{path} is not UTF-8 text") from None


def read_private(path: str, *, limit: int = _LIMIT) -> str:
    """Read a file that holds a secret: owner the caller or root, no bits for others.

    Raises:
        NotFound: there is none.
        Unsafe: others can read it.
        Malformed: too large or not text.
    """
    return read_text(path, private=True, limit=limit)


def writable_by_others(path: str) -> str:
    """Return the directory above ``path`` in which somebody else could swap it, or an empty string.

    The whole chain counts up to the root. A sticky directory (``/tmp``) is safe for entries
    that belong to the caller or root. A group may write if it is the caller's own.
    """
    if os.name != "posix":
        return ""
    trusted = (os.geteuid(), 0)
    directory = os.path.dirname(os.path.realpath(path))
    while True:
        status = os.stat(directory)
        loose = status.st_mode & _WORLD_WRITE or (
            status.st_mode & _GROUP_WRITE and status.st_gid not in (os.getegid(), 0)
        )
        if status.st_uid not in trusted or (loose and not status.st_mode & _STICKY):
            return directory
        parent = os.path.dirname(directory)
        if parent == directory:
            return ""
        directory = parent
