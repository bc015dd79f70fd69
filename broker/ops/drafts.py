"""Files in the making: locked by whoever makes them, swept away once nobody does.

A process that is killed leaves its draft behind, and with its death the lock goes; so the next one
can tell what is left over from what another is still writing.
"""

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from fetchtoken.domain.errors import ConfigError
from fetchtoken.files.atomic import fsync_dir

__all__ = ["draft", "exists", "is_draft", "put", "sweep_drafts", "unwritable"]

_HEX = frozenset("0123456789abcdef")
_END = ".draft"


@contextmanager
def draft(directory: Path, stem: str) -> Iterator[tuple[Path, BinaryIO]]:
    """Give a new file, 0600 and locked, and remove it when the block ends.

    Args:
        directory: where.
        stem: what it is to become; drafts of the same stem that nobody makes any more are swept.

    Raises:
        OSError: it cannot be made.
    """
    sweep_drafts(directory, stem)
    path, file = _make(directory, stem)
    try:
        with file:
            yield path, file
    finally:
        path.unlink(missing_ok=True)


def is_draft(name: str, stem: str) -> bool:
    """Tell whether a file's name is one that :func:`draft` gives."""
    start = f".{stem}."
    middle = name[len(start) : -len(_END)]
    return name == start + middle + _END and len(middle) == 12 and _HEX.issuperset(middle)


def sweep_drafts(directory: Path, stem: str) -> None:
    """Remove what killed processes left; what cannot be removed stays."""
    # Others may write in the directory: a pipe of theirs is not waited for, a link not followed.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    with suppress(OSError):
        for path in [each for each in directory.iterdir() if is_draft(each.name, stem)]:
            with suppress(OSError), os.fdopen(os.open(path, flags), "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()


def put(source: BinaryIO, target: Path) -> None:
    """Copy a file's content to a new file, 0600: whole and durable before it has its name.

    Args:
        source: read from its beginning.
        target: must not exist.

    Raises:
        ConfigError: it exists, or cannot be written.
    """
    try:
        with draft(target.parent, target.name) as (path, copy):
            source.seek(0)
            shutil.copyfileobj(source, copy, 1 << 20)
            copy.flush()
            os.fsync(copy.fileno())
            _name(path, target)
        fsync_dir(target.parent)
    except FileExistsError:
        raise exists(target) from None
    except OSError as error:
        raise unwritable(target, error.errno or errno.EIO) from None


def exists(path: Path) -> ConfigError:
    """Return the error that says that a file is in the way."""
    return ConfigError(f"{path} exists and is not overwritten", hint="give another name")


def unwritable(path: Path, number: int) -> ConfigError:
    """Return the error that says that a file cannot be made, and why (``errno``)."""
    look = "df" if number in (errno.ENOSPC, errno.EDQUOT) else "ls -ld"
    return ConfigError(f"{path} cannot be written: {os.strerror(number)}", hint=f"{look} {path.parent}")


def _name(path: Path, target: Path) -> None:
    """Give a draft its name, unless that is taken."""
    try:
        os.link(path, target)
    except FileExistsError:
        raise
    except OSError:
        # No hard links on this file system (FAT, some network shares): the name is taken first.
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        path.replace(target)


def _make(directory: Path, stem: str) -> tuple[Path, BinaryIO]:
    while True:
        path = directory / f".{stem}.{os.urandom(6).hex()}{_END}"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        file = os.fdopen(fd, "r+b")
        fcntl.flock(file, fcntl.LOCK_EX)
        # Between making and locking it looked like a leftover, and may have been swept.
        with suppress(OSError):
            if path.stat().st_ino == os.fstat(fd).st_ino:
                return path, file
        file.close()
