"""The journal of one attempt: a file that knows whether anything was sent, and what came back.

A file holds up to three records, each durable before the step after it:

1. ``intent``: which attempt of which refresh token this is;
2. ``sending``: written right before the first byte leaves. Without it nothing left;
3. ``answer``: the raw answer, written before anybody can read it.

Whoever carries the attempt out holds an exclusive ``flock`` on the file for its whole life. The
lock belongs to the open file description, so it passes from the program that made the file to
the exchange process without a gap. A file that nobody holds tells the end of the story.

On disk a record is its length (4 bytes), its payload and the payload's SHA-256; a record that a
crash tore does not count. The broker seals payloads with AES-256-GCM; beside ``auth.json``, which
is plain itself, they are plain.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from struct import Struct

from fetchtoken.domain.jsontext import dumps, loads
from fetchtoken.files.atomic import fsync_dir, write_all
from fetchtoken.files.lock import is_locked
from fetchtoken.oauth.outcome import Answer

__all__ = ["ALLOCATED", "Entry", "JournalKey", "Phase", "append", "create", "inspect", "remove", "reserve"]

ALLOCATED = 64 * 1024
"""Bytes set aside before anything is sent, so that the answer fits on a disk that fills up."""

_LIMIT = 2 << 20
_LENGTH = Struct(">I")
_NONCE_SIZE = 12


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
        os.unlink(path)
        os.close(fd)
        raise
    return fd


def reserve(fd: int) -> None:
    """Set the file's space aside by writing zeros: unlike a hole or a promise, they hold on any disk."""
    write_all(fd, bytes(ALLOCATED))
    os.lseek(fd, 0, os.SEEK_SET)
    os.fsync(fd)


def append(
    fd: int, kind: str, value: dict[str, object], *, attempt: str, key: JournalKey | None = None
) -> None:
    """Write one record at the descriptor's position and make it durable.

    Raises:
        OSError: it may not be durable.
    """
    payload = dumps({"kind": kind, **value}).encode()
    if key is not None:
        payload = _seal(payload, attempt, key)
    write_all(fd, _LENGTH.pack(len(payload)) + payload + sha256(payload).digest())
    os.fsync(fd)


def inspect(path: str, keys: dict[str, JournalKey] | None = None) -> Entry:
    """Read an attempt's file and tell how far the attempt got.

    Args:
        path: the file.
        keys: by key id, for sealed payloads.
    """
    try:
        fd = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        return Entry(Phase.MISSING)
    try:
        if is_locked(fd):
            return Entry(Phase.HELD)
        data = b""
        while len(data) < _LIMIT and (chunk := os.read(fd, _LIMIT)):
            data += chunk
    finally:
        os.close(fd)
    return _parse(data, os.path.basename(path), keys or {})


def _parse(data: bytes, attempt: str, keys: dict[str, JournalKey]) -> Entry:
    intent: dict[str, object] = {}
    answer: Answer | None = None
    sending = False
    for payload in _payloads(data):
        try:
            record = _open(payload, attempt, keys)
            kind = record.pop("kind", "")
            if kind == "intent":
                intent = record
            elif kind == "sending":
                sending = True
            elif kind == "answer":
                answer = Answer.from_json(record)
        except ValueError:
            return Entry(Phase.UNREADABLE, intent)
    if answer is not None:
        return Entry(Phase.ANSWERED, intent, answer)
    return Entry(Phase.SENT if sending else Phase.UNSENT, intent)


def _payloads(data: bytes) -> list[bytes]:
    """Return the payloads of whole records, up to the first zero length or torn record."""
    found = []
    at = 0
    while at + _LENGTH.size <= len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        start, end = at + _LENGTH.size, at + _LENGTH.size + length
        payload = data[start:end]
        if length == 0 or len(payload) < length or sha256(payload).digest() != data[end : end + 32]:
            break
        found.append(payload)
        at = end + 32
    return found


def _seal(payload: bytes, attempt: str, key: JournalKey) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(_NONCE_SIZE)
    header = b"sealed " + key.key_id.encode() + b"\n"
    return header + nonce + AESGCM(key.key).encrypt(nonce, payload, header + attempt.encode())


def _open(payload: bytes, attempt: str, keys: dict[str, JournalKey]) -> dict[str, object]:
    """Return the record in a payload.

    Raises:
        ValueError: it is sealed with a key that is not at hand, for another attempt, or is no record.
    """
    if payload.startswith(b"sealed "):
        header, _, box = payload.partition(b"\n")
        key = keys.get(header.removeprefix(b"sealed ").decode())
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
    if not isinstance(record, dict):
        raise ValueError("not a record")  # noqa: TRY004 - damage in a file, not a caller's type error
    return record


def remove(path: str) -> None:
    """Forget a settled attempt, durably; one that is gone already is fine."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    fsync_dir(os.path.dirname(path))
