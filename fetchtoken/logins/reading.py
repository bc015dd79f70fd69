"""Read one file that another program may be writing: twice, until both readings agree and make sense."""

from __future__ import annotations

import os
import time
from hashlib import sha256

from fetchtoken.domain.errors import Malformed, NotFound, Unavailable
from fetchtoken.files.guard import read_bytes
from fetchtoken.formats.detect import Format, format_of, parse_any, parse_document
from fetchtoken.formats.login import Login
from fetchtoken.formats.multi_auth import PENDING

__all__ = ["Found", "parse_found", "read_found"]

_REREAD_FOR_S = 0.2
_REREAD_PAUSE_S = 0.01


class Found:
    """A file with logins, as it was read.

    Args:
        path: as the caller named it; how messages call it.
        data: its bytes.
        pending: the bytes of codex-multi-auth's file beside it, where there is one.
    """

    __slots__ = ("data", "document", "form", "logins", "path", "pending")

    def __init__(self, path: str, data: bytes, pending: bytes | None = None) -> None:
        self.path = path
        self.data = data
        self.pending = pending
        self.logins: list[Login] = parse_any(data, path, pending=pending)
        self.document: dict[str, object] = parse_document(data, path)
        self.form: Format = format_of(self.document, path)

    @property
    def text(self) -> str:
        """Return what was read as text."""
        return self.data.decode()

    @property
    def digest(self) -> str:
        """Return the hash of what was read."""
        return sha256(self.data + b"\0" + (self.pending or b"")).hexdigest()


def parse_found(data: bytes, path: str) -> Found:
    """Return what came another way than by a file; raises as ``parse_any``."""
    return Found(path, data)


def read_found(path: str, *, private: bool = True) -> Found:
    """Read and parse a login file; one that is being rewritten is read again for 200 ms.

    Args:
        path: the file; symbolic links are followed.
        private: refuse a file that others can read.

    Raises:
        NotFound: there is none, or it holds no login.
        Unsafe: others can read it, or the caller may not.
        Unavailable: it keeps changing.
        Malformed, LoginRequired: as :func:`fetchtoken.formats.detect.parse_any`.
    """
    end_s = time.monotonic() + _REREAD_FOR_S
    while True:
        try:
            first, second = (_read(path, private=private) for _ in range(2))
            if first.digest == second.digest:
                return second
            problem: Exception = Unavailable(
                f"{path} is being written", hint="try again when the other program has finished"
            )
        except (Malformed, NotFound) as error:
            if error.code or not os.path.exists(path):
                raise
            problem = error
        if time.monotonic() >= end_s:
            raise problem
        time.sleep(_REREAD_PAUSE_S)


def _read(path: str, *, private: bool) -> Found:
    data = read_bytes(path, private=private)
    beside = path + PENDING
    pending = read_bytes(beside, private=private) if os.path.exists(beside) else None
    return Found(path, data, pending)
