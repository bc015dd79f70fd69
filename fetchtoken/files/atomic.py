"""Replace a file so that a crash leaves the old one or the new one, never a part."""

from __future__ import annotations

import os

__all__ = ["fsync_dir", "keep_owner", "replace_file", "replace_link", "sweep", "write_all"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    StrPath = str | os.PathLike[str]


_HEX = frozenset("0123456789abcdef")


def write_all(fd: int, data: bytes) -> None:
    """Write every byte, however many calls it takes.

    Raises:
        OSError: the first failing ``write``; what was written before it stays.
    """
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def fsync_dir(path: StrPath) -> None:
    """Make a directory's entries durable."""
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def replace_file(
    path: StrPath, data: bytes, *, mode: int = 0o600, check: Callable[[], None] | None = None
) -> None:
    """Write a file anew: temporary neighbour, fsync, rename, fsync of the directory.

    A symbolic link stays and its target is replaced, as Codex does. Run by root for somebody
    else's file, the owner stays.

    Args:
        path: the file, existing or not; its directory must exist.
        data: the whole new content.
        mode: permission bits of the new file.
        check: called right before the old file is replaced; what it raises keeps that.

    Raises:
        OSError: the old file stands and the temporary one is gone; only where the directory's own
            fsync failed, the new file stands and may not survive a power failure.
    """
    target = os.path.realpath(path)
    directory, name = os.path.split(target)
    temporary = os.path.join(directory, f".{name}.{os.urandom(6).hex()}.tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        try:
            keep_owner(fd, target)
            if hasattr(os, "fchmod"):
                os.fchmod(fd, mode)
            write_all(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)
        if check is not None:
            check()
        os.replace(temporary, target)
    except BaseException:
        _forget(temporary)
        raise
    if os.name == "posix":
        fsync_dir(directory)


def replace_link(path: StrPath, target: str) -> None:
    """Make a symbolic link in a single step, whatever stands at the path; durable.

    What a kill here left behind is removed first: the caller holds the lock of the path.

    Args:
        path: the link; its directory must exist.
        target: what stands in it; relative ones start from the link's directory.

    Raises:
        OSError: what stood there stands.
    """
    directory, name = os.path.split(os.fspath(path))
    _sweep(directory, name)
    temporary = os.path.join(directory, f".{name}.{os.urandom(6).hex()}.tmp")
    os.symlink(target, temporary)
    try:
        os.replace(temporary, path)
    except BaseException:
        _forget(temporary)
        raise
    if os.name == "posix":
        fsync_dir(directory)


def sweep(path: StrPath) -> None:
    """Remove the temporary files that a kill in :func:`replace_file` left behind.

    Nobody may be replacing the file meanwhile: the caller holds its lock.

    Raises:
        OSError: the directory cannot be read or written.
    """
    _sweep(*os.path.split(os.path.realpath(path)))


def _sweep(directory: str, name: str) -> None:
    start, end = f".{name}.", ".tmp"
    for entry in os.listdir(directory):
        middle = entry[len(start) : -len(end)]
        if entry == start + middle + end and len(middle) == 12 and _HEX.issuperset(middle):
            os.unlink(os.path.join(directory, entry))


def _forget(path: str) -> None:
    try:  # noqa: SIM105 - contextlib is not loaded on the command's hot path
        os.unlink(path)
    except OSError:
        pass  # the error that led here is the one to tell


def keep_owner(fd: int, target: str) -> None:
    """Give a new file the owner of the one that it replaces, where root works on somebody else's."""
    if not hasattr(os, "fchown"):
        return
    try:
        old = os.stat(target)
    except FileNotFoundError:
        return
    if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()) and os.geteuid() == 0:
        os.fchown(fd, old.st_uid, old.st_gid)
