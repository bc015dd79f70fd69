"""Sealed files: a readable head and chunks that open whole and in order, or not at all.

::

    codex-broker backup 1           the format, one line
    {"key_id": …, "salt": …, …}     the head, one line of JSON; not secret
    size | ciphertext and tag       chunks: 4 bytes, big-endian, highest bit set in the last one

The construction is STREAM (Hoang, Reyhanitabar, Rogaway, Vizár: CRYPTO 2015), as age has it: each
file has a key of its own, made by HKDF from the given key and the head's random salt, and a chunk's
nonce is its number (11 bytes) and whether it is the last (1 byte). The bytes above the chunks are
the associated data of every chunk. So nothing can be changed, cut, put on or moved unnoticed.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fetchtoken.domain.errors import Malformed, Unsafe
from fetchtoken.domain.jsontext import dumps, loads

__all__ = ["CHUNK", "Head", "SealedWriter", "read_chunks", "read_head"]

CHUNK = 1 << 16
"""Bytes of content in each chunk but the last."""

_MAGIC = b"codex-broker backup 1\n"
_LONGEST_HEAD = 1 << 20
_LAST = 1 << 31
_TAG = 16
_SALT = 32


@dataclass(frozen=True, slots=True)
class Head:
    """What a sealed file says before its key is known; true only once a chunk has opened."""

    fields: Mapping[str, Any]
    raw: bytes
    name: str
    """The file, for messages."""

    @property
    def key_id(self) -> str:
        """Return the id of the key that it is sealed under."""
        return str(self.fields.get("key_id", ""))

    def cipher(self, key: bytes) -> AESGCM:
        """Return what opens the chunks, given the key of that id."""
        salt = bytes.fromhex(str(self.fields["salt"]))
        info = b"codex-token-broker/1 file"
        return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(key))


class SealedWriter:
    """Writes one sealed file; nothing of it counts before :meth:`finish`.

    Args:
        file: an empty one, opened for writing.
        fields: the head; ``salt`` is added.
        key: 32 bytes.
        random_bytes: the source of the salt.
    """

    def __init__(
        self,
        file: BinaryIO,
        fields: Mapping[str, Any],
        key: bytes,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        whole = {**fields, "salt": random_bytes(_SALT).hex()}
        head = Head(whole, _MAGIC + dumps(whole).encode() + b"\n", "")
        self._file = file
        self._head = head.raw
        self._cipher = head.cipher(key)
        self._number = 0
        self._waiting = bytearray()
        file.write(head.raw)

    def write(self, content: bytes) -> None:
        """Add content."""
        self._waiting += content
        # The last chunk is never known before the end, so one is always kept back.
        while len(self._waiting) > CHUNK:
            self._seal(bytes(self._waiting[:CHUNK]), last=False)
            del self._waiting[:CHUNK]

    def finish(self) -> None:
        """Write the last chunk; without it the file does not open."""
        self._seal(bytes(self._waiting), last=True)
        self._waiting.clear()

    def _seal(self, content: bytes, *, last: bool) -> None:
        sealed = self._cipher.encrypt(_nonce(self._number, last=last), content, self._head)
        self._file.write((len(sealed) | (_LAST if last else 0)).to_bytes(4, "big") + sealed)
        self._number += 1


def read_head(file: BinaryIO, name: str) -> Head:
    """Read up to the chunks.

    Args:
        file: at its beginning.
        name: what to call it in messages.

    Raises:
        Malformed: it is no file of ours, or of a later format.
    """
    magic = file.read(len(_MAGIC))
    if magic != _MAGIC:
        known = magic.startswith(_MAGIC[:-2])
        raise Malformed(
            f"{name} is {'a backup of another format' if known else 'no backup of codex-broker'}",
            hint="install the version that made it" if known else "name a file that codex-broker backup made",
        )
    line = file.readline(_LONGEST_HEAD)
    if not line.endswith(b"\n"):
        raise _cut(name)
    try:
        fields = loads(line.decode())
        if not isinstance(fields, dict) or len(bytes.fromhex(str(fields.get("salt")))) != _SALT:
            raise ValueError  # noqa: TRY301 - as damaged as what is no JSON
    except ValueError:
        raise _damaged(name) from None
    return Head(fields, magic + line, name)


def read_chunks(file: BinaryIO, head: Head, key: bytes) -> Iterator[bytes]:
    """Return the content, chunk by chunk; what came counts only once this has ended.

    Args:
        file: behind its head.
        head: what :func:`read_head` returned.
        key: the key of ``head.key_id``.

    Raises:
        Unsafe: it was changed, or sealed under another key.
        Malformed: it is cut, or something was put on.
    """
    cipher = head.cipher(key)
    number, last = 0, False
    while not last:
        frame = int.from_bytes(_exactly(file, 4, head.name), "big")
        size, last = frame & ~_LAST, bool(frame & _LAST)
        if not _TAG <= size <= CHUNK + _TAG:
            raise _damaged(head.name)
        sealed = _exactly(file, size, head.name)
        try:
            yield cipher.decrypt(_nonce(number, last=last), sealed, head.raw)
        except InvalidTag:
            raise _damaged(head.name) from None
        number += 1
    if file.read(1):
        raise Malformed(f"{head.name} goes on after its end", hint="copy it again, or take an earlier backup")


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes((last,))


def _exactly(file: BinaryIO, size: int, name: str) -> bytes:
    found = file.read(size)
    if len(found) < size:
        raise _cut(name)
    return found


def _cut(name: str) -> Malformed:
    return Malformed(f"{name} is cut: its end is missing", hint="copy it again, or take an earlier backup")


def _damaged(name: str) -> Unsafe:
    return Unsafe(
        f"{name} failed its integrity check: it was changed or damaged",
        hint="copy it again, or take an earlier backup",
        code="sealed",
    )
