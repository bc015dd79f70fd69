"""Whether an auth file could be replaced: asked before anything is sent for it."""

from __future__ import annotations

import os

from fetchtoken.domain.errors import Malformed, Unsafe
from fetchtoken.domain.jsontext import dumps
from fetchtoken.formats.codex import AuthFile

__all__ = ["check_document_replaceable", "check_replaceable"]


def check_replaceable(auth: AuthFile) -> None:
    """Raise where a new file could not take the old one's place; see :func:`check_document_replaceable`."""
    check_document_replaceable(auth.name, auth.document)


def check_document_replaceable(name: str, document: dict[str, object]) -> None:
    """Raise where a new file could not take the old one's place; Codex refuses the first two as well.

    Args:
        name: the file; symbolic links are followed.
        document: what it holds.

    Raises:
        Unsafe: it is hard-linked, read-only, or mounted by itself.
        Malformed: it could be read, but not written again.
        OSError: the disk does not let it be written (``EROFS``, ``EPERM``).
    """
    path = os.path.realpath(name)
    status = os.stat(path)
    if status.st_nlink > 1:
        raise Unsafe(
            f"{path} is hard-linked, so replacing it would leave the other name behind",
            hint=f"find the other name by: find / -samefile {path}",
        )
    if not status.st_mode & 0o200:
        raise Unsafe(f"{path} is read-only", hint=f"chmod 600 {path}")
    if _is_mounted(path):
        raise Unsafe(
            f"{path} is mounted by itself, so it cannot be replaced",
            hint=f"mount {os.path.dirname(path)} instead",
        )
    os.close(os.open(path, os.O_WRONLY))
    try:
        dumps(document)
    except ValueError:
        raise Malformed(
            f"{path} is nested too deeply to be written again",
            hint=f"move {path} away and run codex-fetchtoken login",
        ) from None


def _is_mounted(path: str) -> bool:
    """Tell whether one file is a mount point, as a container's volume can be (``proc_pid_mountinfo(5)``)."""
    shown = os.fsencode(path)
    for byte in (b"\\", b" ", b"\t", b"\n"):
        shown = shown.replace(byte, b"\\%03o" % byte[0])
    try:
        with open("/proc/self/mountinfo", "rb") as mounts:
            return any(line.split(b" ")[4] == shown for line in mounts)
    except OSError:
        return False
