"""Root works on another user's files as that user: their modes, owners and links then guard them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["as_owner_of"]


@contextmanager
def as_owner_of(directory: Path) -> Iterator[None]:
    """Act as the owner of a directory, where the caller is root; else change nothing.

    Opening a file that its owner could not open then fails for root too, so a link planted in
    somebody's home leads nowhere.
    """
    try:
        status = directory.stat()
    except OSError:
        yield
        return
    if os.geteuid() != 0 or status.st_uid == 0:
        yield
        return
    group, groups = os.getegid(), os.getgroups()
    os.setgroups([])
    os.setegid(status.st_gid)
    os.seteuid(status.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)
