"""Hold a login file as the program that owns it does, so that it does not write at the same time."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha1

from fetchtoken.codex.locks import auth_locks, codex_home_of
from fetchtoken.domain.errors import Unavailable, Unsafe
from fetchtoken.domain.jsontext import dumps
from fetchtoken.formats import codex_login, opencode

__all__ = ["hold", "opencode_lock"]

_LIMIT_S = 20.0
"""Longer than an exchange of the command's own may hold Codex's locks."""
_PAUSE_S = 0.05
_STALE_S = 60.0
"""After so long without a heartbeat opencode itself takes a lock for left over."""


@contextmanager
def hold(path: str, form: str, *, named: str) -> Iterator[None]:
    """Hold the locks of a file of some format; those that take none are guarded by atomic replacement.

    Args:
        path: the real file.
        form: the format's key.
        named: by which name it was given, perhaps a symbolic link in a Codex home.

    Raises:
        Unavailable: another process holds them.
        Unsafe: they cannot be made.
    """
    with ExitStack() as locks:
        try:
            if form == codex_login.KEY:
                locks.enter_context(auth_locks(path, codex_home_of(named), time.monotonic() + _LIMIT_S))
            elif form == opencode.KEY and (place := opencode_lock(path, os.environ)):
                locks.enter_context(_directory_lock(place))
        except OSError as error:
            raise Unsafe(
                f"the locks of {path} cannot be taken: {error.strerror}",
                hint=f"make {os.path.dirname(path)} writable, on a file system that can lock",
            ) from None
        yield


def opencode_lock(path: str, environ: Mapping[str, str]) -> str:
    """Return the directory by which opencode guards its ``auth.json``; empty where that is not known."""
    directory, name = os.path.split(path)
    if name != "auth.json" or os.path.basename(directory) != "opencode":
        return ""
    share = os.path.dirname(directory)
    state = environ.get("XDG_STATE_HOME", "")
    if not state and share.endswith("/.local/share"):
        state = os.path.join(os.path.dirname(share), "state")
    word = sha1(b"auth", usedforsecurity=False).hexdigest()
    return os.path.join(state, "opencode", "locks", word + ".lock") if state else ""


@contextmanager
def _directory_lock(place: str) -> Iterator[None]:
    """Hold a lock that is a directory, with the files in it that opencode expects."""
    os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)
    end_s = time.monotonic() + _LIMIT_S
    while True:
        try:
            os.mkdir(place, 0o700)
        except FileExistsError:
            if _is_stale(place):
                yield  # opencode clears it away at its next write; the file is replaced in one step
                return
            if time.monotonic() >= end_s:
                raise Unavailable(
                    f"{place} is held by opencode", hint="try again when opencode has finished"
                ) from None
            time.sleep(_PAUSE_S)
        else:
            break
    try:
        token = os.urandom(16).hex()
        meta = {"token": token, "pid": os.getpid(), "hostname": socket.gethostname(), "createdAt": ""}
        for name, text in (("heartbeat", ""), ("meta.json", dumps(meta))):
            with open(os.path.join(place, name), "x", encoding="utf-8") as file:
                file.write(text)
        yield
    finally:
        with suppress(OSError):  # somebody took it for left over
            for name in ("heartbeat", "meta.json"):
                os.unlink(os.path.join(place, name))
            os.rmdir(place)


def _is_stale(place: str) -> bool:
    for name in ("heartbeat", "meta.json", ""):
        try:
            return time.time() - os.stat(os.path.join(place, name)).st_mtime > _STALE_S
        except FileNotFoundError:
            continue
    return False
