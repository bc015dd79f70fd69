"""API keys: ``cbk_<id>_<secret><checksum>`` for clients, ``cbr_…`` for machine credentials.

The id finds the row, the secret (32 random bytes) proves it, the checksum tells a mistyped or cut
key, and a secret scanner, without asking anybody. Only a keyed hash of the whole text is stored.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hmac import compare_digest, digest
from typing import Literal
from zlib import crc32

from fetchtoken.domain.secret import Secret

__all__ = ["ApiKey", "Kind", "hash_key", "matches", "new_key", "parse_key"]

Kind = Literal["cbk", "cbr"]

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ALLOWED = frozenset(_ALPHABET)
_KINDS: tuple[Kind, ...] = ("cbk", "cbr")
_ID_BYTES, _ID_CHARS = 8, 11
_SECRET_BYTES, _SECRET_CHARS = 32, 43
_CHECK_CHARS = 6
_LENGTH = 3 + 1 + _ID_CHARS + 1 + _SECRET_CHARS + _CHECK_CHARS


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A well-formed key; whether it is known is another question."""

    kind: Kind
    key_id: str
    text: Secret
    """The whole key, as its holder keeps it."""


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def _checksum(text: str) -> str:
    return _base62(crc32(text.encode()), _CHECK_CHARS)


def new_key(kind: Kind, random_bytes: Callable[[int], bytes]) -> ApiKey:
    """Return a new key.

    Args:
        kind: ``cbk`` for a client's API key, ``cbr`` for a machine credential.
        random_bytes: a source of strong randomness, such as ``os.urandom``.
    """
    key_id = _base62(int.from_bytes(random_bytes(_ID_BYTES)), _ID_CHARS)
    secret = _base62(int.from_bytes(random_bytes(_SECRET_BYTES)), _SECRET_CHARS)
    body = f"{kind}_{key_id}_{secret}"
    return ApiKey(kind, key_id, Secret(body + _checksum(body)))


def parse_key(text: str) -> ApiKey | None:
    """Return the key that a text holds, or ``None`` where its shape or checksum is wrong."""
    if len(text) != _LENGTH or text[3] != "_" or text[4 + _ID_CHARS] != "_":
        return None
    kind = next((known for known in _KINDS if text.startswith(known)), None)
    key_id = text[4 : 4 + _ID_CHARS]
    rest = text[5 + _ID_CHARS :]
    if kind is None or not _ALLOWED.issuperset(key_id) or not _ALLOWED.issuperset(rest):
        return None
    if _checksum(text[:-_CHECK_CHARS]) != text[-_CHECK_CHARS:]:
        return None
    return ApiKey(kind, key_id, Secret(text))


def hash_key(key: ApiKey, under: bytes) -> bytes:
    """Return what is stored of a key: HMAC-SHA256 of its whole text.

    Args:
        key: the key.
        under: the store's hashing key (:attr:`broker.store.store.Store.api_key_hash_key`).
    """
    return digest(under, key.text.reveal().encode(), "sha256")


def matches(key: ApiKey, under: bytes, stored: bytes) -> bool:
    """Tell in constant time whether a presented key is the one whose hash is stored."""
    return compare_digest(hash_key(key, under), stored)
