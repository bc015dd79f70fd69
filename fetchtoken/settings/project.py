"""Which project the working directory belongs to, and which of its files may be looked at."""

import os

__all__ = ["PROJECT_FILES", "find_project", "why_ignored"]

PROJECT_FILES = ("scorpiox-env.txt", ".claude/scorpiox-env.txt", ".scorpiox/scorpiox-env.txt")
"""A project's files, low to high."""

_MARKS = (*PROJECT_FILES, ".git")
_OTHERS_WRITE = 0o002


def find_project(cwd: str, home: str) -> str:
    """Return the nearest ancestor of ``cwd`` with a project file or ``.git``, or an empty string.

    Args:
        cwd: the absolute working directory, or an empty string where it was deleted.
        home: the walk stops below it: a home directory is no project.
    """
    if not cwd:
        return ""
    try:
        end = os.stat(home)
    except OSError:
        end = None
    directory = cwd
    while True:
        if directory == home or (end is not None and _is(directory, end)):
            return ""
        for mark in _MARKS:
            if os.access(f"{directory}/{mark}", os.F_OK):
                return directory
        parent = os.path.dirname(directory)
        if parent == directory:
            return ""
        directory = parent


def _is(directory: str, other: os.stat_result) -> bool:
    try:
        status = os.stat(directory)
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == (other.st_dev, other.st_ino)


def why_ignored(path: str, status: os.stat_result) -> str:
    """Return why a project file is not even read for its harmless keys, or an empty string.

    Args:
        path: the file, perhaps a symbolic link: both the link and its target must lie safely.
        status: ``fstat`` of what was opened.
    """
    if os.name != "posix":
        return ""
    if status.st_uid not in (os.geteuid(), 0):
        return f"it belongs to user {status.st_uid}"
    from fetchtoken.files.guard import writable_by_others

    beside = os.path.dirname(path)
    # A sticky directory keeps others from swapping the file, but not from putting one there first.
    if os.stat(beside).st_mode & _OTHERS_WRITE:
        return f"others can write {beside}"
    # The last name is a file that is not there, so that the link itself is judged, not its target.
    loose = writable_by_others(f"{beside}/ ") or writable_by_others(path)
    return f"others can write {loose}" if loose else ""
