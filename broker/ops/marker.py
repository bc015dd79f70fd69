"""Two small files by which a home knows itself: its marker, and when somebody was last at work in it."""

import json
import os
import struct
from hashlib import sha256
from pathlib import Path

from broker.domain.secondlife import Marker, Reading, read_marker
from fetchtoken.files.atomic import fsync_dir, replace_file, write_all

__all__ = ["birth_ns", "last_seen", "make_marker", "marker_in", "see"]

_MARKER = "home.id"
_SEEN = "last-seen"
_TEMPORARY = ".home.id.new"
_MACHINE_IDS = ("/etc/machine-id", "/var/lib/dbus/machine-id")

_AT_FDCWD = -100
_STATX_BTIME = 0x800
_BTIME_AT = 80
"""Offset of ``stx_btime`` in ``struct statx`` (statx(2)); Python has no face for it on Linux."""


def marker_in(home: Path) -> tuple[Marker, Reading] | None:
    """Return a home's marker and what it is worth; ``None`` where there is none, or a damaged one.

    Raises:
        OSError: the disk does not give it back, so nobody knows.
    """
    path = home / _MARKER
    try:
        text = path.read_text(encoding="ascii")
        inode = path.stat().st_ino
        said = json.loads(text)
        born_ns = said["born_ns"]
        marker = Marker(
            home=str(said["home"]),
            inode=int(said["inode"]),
            born_ns=None if born_ns is None else int(born_ns),
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    # Asking for the birth loads ctypes, and where the inode is the same it decides nothing.
    born_ns = marker.born_ns if inode == marker.inode else birth_ns(path)
    return marker, read_marker(marker, inode=inode, born_ns=born_ns)


def make_marker(home: Path) -> Marker:
    """Make a home's marker, in place of the one that is there.

    Raises:
        OSError: it cannot be made; the former one stands.
    """
    temporary = home / _TEMPORARY
    temporary.unlink(missing_ok=True)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        # A rename changes neither inode nor birth, so the file can say of itself what it is.
        inode = os.fstat(fd).st_ino
        marker = Marker(home=os.urandom(16).hex(), inode=inode, born_ns=birth_ns(temporary))
        said = {"home": marker.home, "inode": marker.inode, "born_ns": marker.born_ns}
        write_all(fd, json.dumps(said).encode() + b"\n")
        os.fsync(fd)
    finally:
        os.close(fd)
    temporary.replace(home / _MARKER)
    fsync_dir(home)
    return marker


def see(home: Path, now_s: float) -> None:
    """Write down that somebody is at work here, on this machine.

    Raises:
        OSError: it cannot be written.
    """
    replace_file(home / _SEEN, json.dumps({"at": now_s, "machine": _machine()}).encode() + b"\n")


def last_seen(home: Path) -> tuple[float | None, bool]:
    """Return when somebody was last at work here, and whether that was on another machine.

    Returns:
        Epoch seconds, or ``None`` where nothing says so.
    """
    try:
        said = json.loads((home / _SEEN).read_text(encoding="ascii"))
        at, machine = float(said["at"]), str(said["machine"])
    except (OSError, ValueError, KeyError, TypeError):
        return None, False
    here = _machine()
    return at, bool(machine and here) and machine != here


def _machine() -> str:
    """Return a name for this machine that gives its id away to nobody (machine-id(5)); empty without one."""
    for path in _MACHINE_IDS:
        try:
            text = Path(path).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if text:
            return sha256(b"codex-broker:" + text.encode()).hexdigest()[:16]
    return ""


def birth_ns(path: Path) -> int | None:
    """Return when a file was made, in nanoseconds since 1970, where the file system tells (statx(2))."""
    import ctypes

    try:
        statx = ctypes.CDLL(None, use_errno=True).statx
    except (OSError, AttributeError):
        return None
    buffer = ctypes.create_string_buffer(256)
    if statx(_AT_FDCWD, os.fsencode(path), 0, _STATX_BTIME, buffer) != 0:
        return None
    raw = buffer.raw
    (mask,) = struct.unpack_from("I", raw)
    seconds, nanoseconds = struct.unpack_from("qI", raw, _BTIME_AT)
    born_ns = int(seconds) * 1_000_000_000 + int(nanoseconds)
    # Some file systems set the bit and leave the field empty.
    return born_ns if mask & _STATX_BTIME and born_ns else None
