"""Boxes: AES-256-GCM with the key id in the header and the context bound to the content.

::

    version (1 byte, 1) | key id (4 bytes) | nonce (12 bytes) | ciphertext and tag (16 bytes more)

Header and context are authenticated: a box moved to another record, another generation or another
kind does not open. Nonces are random; NIST SP 800-38D §8.3 allows 2^32 of them for one key.
"""

import os
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from broker.seal.keyring import Keyring
from fetchtoken.domain.errors import Unsafe

__all__ = ["Seal", "key_id_of_box"]

_VERSION = 1
_HEADER = 5
_NONCE = 12
_LEAST = _HEADER + _NONCE + 16


def key_id_of_box(box: bytes) -> str:
    """Return the id of the master key that a box was sealed under."""
    return box[1:_HEADER].hex()


class Seal:
    """Closes and opens boxes with the keys of a ring.

    Args:
        keys: the master keys.
        random_bytes: the source of nonces.
    """

    __slots__ = ("_ciphers", "_random_bytes", "keys")

    def __init__(self, keys: Keyring, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        self.keys = keys
        self._random_bytes = random_bytes
        self._ciphers: dict[str, tuple[bytes, AESGCM]] = {}

    def close(self, content: bytes, context: str) -> bytes:
        """Return a box under the current key.

        Args:
            content: what to seal.
            context: what it is, such as ``account:LOGIN:3:refresh``; needed again to open it.
        """
        key_id, key = self.keys.derive_current("seal")
        header = bytes((_VERSION,)) + bytes.fromhex(key_id)
        nonce = self._random_bytes(_NONCE)
        return header + nonce + self._cipher(key_id, key).encrypt(nonce, content, header + context.encode())

    def open(self, box: bytes, context: str) -> bytes:
        """Return what a box holds.

        Raises:
            Unsafe: it was changed, cut, or sealed as something else.
            ConfigError: its master key is not on the ring.
        """
        if len(box) < _LEAST or box[0] != _VERSION:
            raise _damaged(context)
        header, nonce, sealed = box[:_HEADER], box[_HEADER : _HEADER + _NONCE], box[_HEADER + _NONCE :]
        key_id = key_id_of_box(box)
        cipher = self._cipher(key_id, self.keys.derive("seal", key_id))
        try:
            return cipher.decrypt(nonce, sealed, header + context.encode())
        except InvalidTag:
            raise _damaged(context) from None

    def _cipher(self, key_id: str, key: bytes) -> AESGCM:
        found = self._ciphers.get(key_id)
        if found is None or found[0] is not key:
            held = self.keys.ids
            self._ciphers = {known: pair for known, pair in self._ciphers.items() if known in held}
            found = self._ciphers[key_id] = (key, AESGCM(key))
        return found[1]


def _damaged(context: str) -> Unsafe:
    return Unsafe(
        f"sealed record {context} failed integrity check",
        hint="bring the store back from a backup",
        code="sealed",
    )
