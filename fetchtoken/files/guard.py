"""Who may read and write a file: the checks before a secret is read from it."""

import os
from errno import ELOOP, ENOENT, ENOTDIR

from fetchtoken.domain.errors import Malformed, NotFound, Unsafe

__all__ = ["check_private", "read_bytes", "read_private", "read_text", "writable_by_others"]

_LIMIT = 1 << 20
_WORLD_WRITE = 0o002
_GROUP_WRITE = 0o020
_STICKY = 0o1000
_MOST_LINKS = 40
"""As many as Linux follows in one path."""


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


def read_bytes(path: str, *, private: bool, limit: int = _LIMIT) -> bytes:
    """Read a whole file through one descriptor, so that what is checked is what is read.

    Args:
        path: the file; symbolic links are followed.
        private: refuse a file that others can read.
        limit: most bytes accepted.

    Raises:
        NotFound: there is none.
        Unsafe: ``private`` and others can read it, or the caller may not.
        Malformed: too large, or not a regular file.
    """
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        if error.errno in (ENOENT, ENOTDIR):
            raise NotFound(f"{path} does not exist", hint="check the path") from None
        if error.errno == ELOOP:
            raise Malformed(f"{path} is a loop of symbolic links", hint=f"ls -l {path}") from None
        raise Unsafe(f"{path} cannot be read: {error.strerror}", hint=f"ls -l {path}") from None
    try:
        status = os.fstat(fd)
        if status.st_mode & 0o170000 != 0o100000:
            raise Malformed(f"{path} is not a regular file", hint=f"ls -ld {path}")
        if private:
            check_private(path, status)
        chunks = []
        left = limit + 1
        while left > 0 and (chunk := os.read(fd, min(left, 65536))):
            chunks.append(chunk)
            left -= len(chunk)
    except OSError as error:
        raise Malformed(f"{path} cannot be read: {error.strerror}", hint="look at the disk") from None
    finally:
        os.close(fd)
    if left <= 0:
        raise Malformed(f"{path} is larger than {limit} bytes", hint=f"move {path} away")
    return b"".join(chunks)


def read_text(path: str, *, private: bool, limit: int = _LIMIT) -> str:
    """Read a whole UTF-8 file.

    Raises:
        NotFound, Unsafe: as :func:`read_bytes`.
        Malformed: the same, or not UTF-8.
    """
    data = read_bytes(path, private=private, limit=limit)
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Malformed(f"{path} is not UTF-8 text", hint=f"move {path} away") from None


def read_private(path: str, *, limit: int = _LIMIT) -> str:
    """Read a file that holds a secret: owner the caller or root, no bits for others.

    Raises:
        NotFound: there is none.
        Unsafe: others can read it.
        Malformed: too large or not text.
    """
    return read_text(path, private=True, limit=limit)


def writable_by_others(path: str) -> str:
    """Return the directory on the way to ``path`` in which somebody else could swap an entry.

    Every directory counts in which a name is looked up: those above the path, and those of the
    symbolic links in it. One is safe that belongs to the caller or root and is written by nobody
    else than the caller's own group; a sticky one (``/tmp``) also if the entry is the caller's or root's.

    Returns:
        The first such directory from the root, or an empty string.
    """
    if os.name != "posix":
        return ""
    here, links = "/", 0
    names = os.path.join(os.getcwd(), path).split("/")[::-1]
    while names:
        name = names.pop()
        if name in ("", "."):
            continue
        if name == "..":
            here = os.path.dirname(here)
            continue
        entry = os.path.join(here, name)
        try:
            status = os.lstat(entry)
        except (FileNotFoundError, NotADirectoryError):
            return here if _is_loose(here, None) else ""
        if _is_loose(here, status) or links > _MOST_LINKS:
            return here
        if status.st_mode & 0o170000 != 0o120000:
            here = entry
            continue
        links += 1
        target = os.readlink(entry)
        here = "/" if target.startswith("/") else here
        names += target.split("/")[::-1]
    return ""


def _is_loose(directory: str, entry: os.stat_result | None) -> bool:
    """Tell whether somebody else could put another entry in the place of this one."""
    trusted = (os.geteuid(), 0)
    status = os.stat(directory)
    if status.st_uid not in trusted:
        return True
    by_group = status.st_mode & _GROUP_WRITE and status.st_gid not in (os.getegid(), 0)
    if not by_group and not status.st_mode & _WORLD_WRITE:
        return False
    return not status.st_mode & _STICKY or (entry is not None and entry.st_uid not in trusted)
