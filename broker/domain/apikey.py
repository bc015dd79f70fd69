"""API keys (``cbk_…``), machine credentials (``cbr_…``) and invite codes (``cbi_…``).

Their text is :mod:`fetchtoken.domain.keytext`'s. Only a keyed hash of the whole text is stored.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hmac import compare_digest, digest
from typing import Literal

from fetchtoken.domain.keytext import ID_BYTES, SECRET_BYTES, id_of, key_text
from fetchtoken.domain.secret import Secret

__all__ = ["ApiKey", "Kind", "hash_key", "matches", "new_key", "parse_key"]

Kind = Literal["cbk", "cbr", "cbi"]

_KINDS: tuple[Kind, ...] = ("cbk", "cbr", "cbi")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A well-formed key; whether it is known is another question."""

    kind: Kind
    key_id: str
    text: Secret
    """The whole key, as its holder keeps it."""


def new_key(kind: Kind, random_bytes: Callable[[int], bytes]) -> ApiKey:
    """Return a new key.

    Args:
        kind: ``cbk`` for a client's API key, ``cbr`` for a machine credential, ``cbi`` for an invite.
        random_bytes: a source of strong randomness, such as ``os.urandom``.
    """
    text = key_text(kind, random_bytes(ID_BYTES), random_bytes(SECRET_BYTES[kind]))
    return ApiKey(kind, id_of(text, kind), Secret(text))


def parse_key(text: str) -> ApiKey | None:
    """Return the key that a text holds, or ``None`` where its shape or checksum is wrong."""
    kind = next((known for known in _KINDS if text.startswith(known)), None)
    if kind is None:
        return None
    key_id = id_of(text, kind)
    return ApiKey(kind, key_id, Secret(text)) if key_id else None


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
