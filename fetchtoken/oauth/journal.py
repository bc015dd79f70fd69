"""The journal of one attempt: a file that knows whether anything was sent, and what came back.

A file holds up to three records, each durable before the step after it:

1. ``intent``: which attempt of which refresh token this is;
2. ``sending``: written right before the first byte leaves. Without it nothing left;
3. ``answer``: the raw answer, written before anybody can read it.

Whoever carries the attempt out holds an exclusive ``flock`` on the file for its whole life. The
lock belongs to the open file description, so it passes from the program that made the file to
the exchange process without a gap. A file that nobody holds tells the end of the story.

On disk each record has a place of its own, so that damage to one does not hide another: its length
(4 bytes), its payload and the payload's SHA-256. An answer that a crash tore does not count; any
trace of ``sending`` does. The broker seals payloads with AES-256-GCM; beside ``auth.json``, which is
plain itself, they are plain.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from enum import StrEnum
from hashlib import sha256
from struct import Struct

from fetchtoken.domain.jsontext import dumps, loads
from fetchtoken.files.atomic import fsync_dir, write_all
from fetchtoken.files.lock import is_locked
from fetchtoken.oauth.outcome import Answer

__all__ = [
    "ALLOCATED",
    "Entry",
    "JournalKey",
    "Phase",
    "append",
    "create",
    "inspect",
    "key_ids",
    "remove",
    "reserve",
]

ALLOCATED = 64 * 1024
"""Bytes set aside before anything is sent, so that the answer fits on a disk that fills up."""

_LIMIT = 2 << 20
_PLACES = {"intent": 0, "sending": 4096, "answer": 8192}
"""Offsets; the first two records have a disk page each, the answer has the rest."""
_LENGTH = Struct(">I")
_NONCE_SIZE = 12
_SEALED = b"sealed "
_LONGEST_HEAD = 128


@dataclass(frozen=True, slots=True)
class JournalKey:
    """A key that seals payloads, and its name."""

    key_id: str
    key: bytes = field(repr=False)


class Phase(StrEnum):
    """How far an attempt got, by its file."""

    MISSING = "missing"
    HELD = "held"
    """Somebody is carrying it out."""
    UNSENT = "unsent"
    """Ended before a byte left."""
    SENT = "sent"
    """Ended after bytes may have left, without an answer: in doubt."""
    ANSWERED = "answered"
    UNREADABLE = "unreadable"
    """There is an answer, but not for the keys at hand, or the file is damaged: in doubt."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a journal file says."""

    phase: Phase
    intent: dict[str, object] = field(default_factory=dict)
    answer: Answer | None = None
    written_at: float = 0.0
    """When its last record was written, epoch seconds; 0 where nobody could look."""


def create(path: str, intent: dict[str, object], key: JournalKey | None = None) -> int:
    """Make an attempt's file, durable and locked, with its space set aside.

    Args:
        path: a file that must not exist.
        intent: what the attempt is about; JSON-able.
        key: seals the payloads; ``None`` writes them plain.

    Returns:
        The open descriptor; it holds the lock.

    Raises:
        OSError: it cannot be made durable (``EEXIST``, ``EROFS``, ``ENOSPC``, ``ENOLCK``); no file stays.
    """
    from fcntl import LOCK_EX, LOCK_NB, flock

    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    fd = os.open(path, flags, 0o600)
    try:
        flock(fd, LOCK_EX | LOCK_NB)
        reserve(fd)
        append(fd, "intent", intent, attempt=os.path.basename(path), key=key)
        fsync_dir(os.path.dirname(path))
    except BaseException:
        try:
            os.unlink(path)
        finally:
            os.close(fd)
        raise
    return fd


def reserve(fd: int) -> None:
    """Set the file's space aside by writing zeros: unlike a hole or a promise, they hold on any disk.

    Except where each write takes new blocks (btrfs, ZFS): there the answer may find no room, and
    goes elsewhere as any other answer that cannot be written.
    """
    write_all(fd, bytes(ALLOCATED))
    os.fsync(fd)


def append(
    fd: int, kind: str, value: dict[str, object], *, attempt: str, key: JournalKey | None = None
) -> None:
    """Write one record into its place and make it durable; one that is there is written over.

    Args:
        fd: the locked file.
        kind: ``intent``, ``sending`` or ``answer``.
        value: what to write down; JSON-able.
        attempt: the file's base name, to which a sealed record is bound.
        key: seals the payload; ``None`` writes it plain.

    Raises:
        OSError: it may not be durable.
    """
    payload = dumps({**value, "kind": kind}).encode()
    if key is not None:
        payload = _seal(payload, attempt, key)
    os.lseek(fd, _PLACES[kind], os.SEEK_SET)
    write_all(fd, _LENGTH.pack(len(payload)) + payload + sha256(payload).digest())
    os.fsync(fd)


def inspect(path: str, keys: dict[str, JournalKey] | None = None) -> Entry:
    """Read an attempt's file and tell how far the attempt got.

    Args:
        path: the file.
        keys: by key id, for sealed payloads.
    """
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        return Entry(Phase.MISSING)
    try:
        if is_locked(fd):
            return Entry(Phase.HELD)
        data = b""
        while len(data) < _LIMIT and (chunk := os.read(fd, _LIMIT)):
            data += chunk
        written_at = os.fstat(fd).st_mtime
    finally:
        os.close(fd)
    return replace(_parse(data, os.path.basename(path), keys or {}), written_at=written_at)


def _parse(data: bytes, attempt: str, keys: dict[str, JournalKey]) -> Entry:
    records: dict[str, dict[str, object]] = {}
    for kind in _PLACES:
        payload = _payload(data, kind)
        try:
            record = {} if payload is None else _open(payload, kind, attempt, keys)
            answer = Answer.from_json(record) if kind == "answer" and record else None
        except ValueError:
            return Entry(Phase.UNREADABLE, records.get("intent", {}))
        records[kind] = record
    if answer is not None:
        return Entry(Phase.ANSWERED, records["intent"], answer)
    sending = any(data[_PLACES["sending"] : _PLACES["answer"]])
    return Entry(Phase.SENT if sending else Phase.UNSENT, records["intent"])


def _payload(data: bytes, kind: str) -> bytes | None:
    """Return the payload of a whole record, or ``None`` where there is none or a torn one."""
    start = _PLACES[kind] + _LENGTH.size
    if len(data) < start:
        return None
    (length,) = _LENGTH.unpack_from(data, _PLACES[kind])
    payload = data[start : start + length]
    whole = length and sha256(payload).digest() == data[start + length : start + length + 32]
    return payload if whole else None


def _seal(payload: bytes, attempt: str, key: JournalKey) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(_NONCE_SIZE)
    header = _SEALED + key.key_id.encode() + b"\n"
    return header + nonce + AESGCM(key.key).encrypt(nonce, payload, header + attempt.encode())


def _open(payload: bytes, kind: str, attempt: str, keys: dict[str, JournalKey]) -> dict[str, object]:
    """Return the record in a payload.

    Raises:
        ValueError: it is sealed with a key that is not at hand, for another attempt, or is no record.
    """
    if payload.startswith(_SEALED):
        header, _, box = payload.partition(b"\n")
        key = keys.get(header.removeprefix(_SEALED).decode())
        if key is None:
            raise ValueError("sealed with an unknown key")
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        context = header + b"\n" + attempt.encode()
        try:
            payload = AESGCM(key.key).decrypt(box[:_NONCE_SIZE], box[_NONCE_SIZE:], context)
        except InvalidTag:
            raise ValueError("failed integrity check") from None
    record = loads(payload.decode())
    if not isinstance(record, dict) or record.pop("kind", "") != kind:
        raise ValueError("not the record that belongs here")
    return record


def key_ids(path: str) -> frozenset[str]:
    """Return the ids of the keys that a file's records are sealed with, torn records included.

    The file may be in use: every record of an attempt is sealed with the key of its first.

    Raises:
        OSError: it cannot be read; one that is gone names no key.
    """
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        return frozenset()
    try:
        heads = [os.pread(fd, _LONGEST_HEAD, place + _LENGTH.size) for place in _PLACES.values()]
    finally:
        os.close(fd)
    sealed = [head.removeprefix(_SEALED) for head in heads if head.startswith(_SEALED)]
    return frozenset(head.partition(b"\n")[0].decode("ascii", "replace") for head in sealed if b"\n" in head)


def remove(path: str) -> None:
    """Forget a settled attempt, durably; one that is gone already is fine."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    fsync_dir(os.path.dirname(path))
