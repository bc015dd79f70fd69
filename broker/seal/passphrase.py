"""A key ring under a passphrase, for a backup that is to open without its broker's key file.

The passphrase is stretched by scrypt (RFC 7914) with 128 MiB, about a second for each
guess; the ring is then sealed by AES-256-GCM. Stretching happens in the command that asked the
person: the passphrase itself goes to no other process.
"""

import os
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from broker.seal.keyfile import parse_keyring, render
from broker.seal.keyring import Keyring
from fetchtoken.domain.errors import ConfigError, Unavailable, Unsafe
from fetchtoken.domain.secret import Secret

__all__ = ["LEAST_LENGTH", "Stretched", "close_ring", "open_ring", "stretch"]

LEAST_LENGTH = 12
"""Characters of a new passphrase."""

_N, _R, _P = 1 << 17, 8, 1
_MOST_N, _MOST_R, _MOST_P = 1 << 20, 8, 4
"""What a file may ask of us: at most 1 GiB."""
_SALT, _NONCE = 16, 12
_CONTEXT = b"codex-token-broker/1 key ring in a backup"


@dataclass(frozen=True, slots=True)
class Stretched:
    """A key made from a passphrase, and how to make it again."""

    salt: bytes
    n: int
    r: int
    p: int
    key: bytes = field(repr=False)

    def to_document(self) -> dict[str, Any]:
        """Return it as JSON values, the key included, for the process that seals."""
        return {"salt": self.salt.hex(), "n": self.n, "r": self.r, "p": self.p, "key": self.key.hex()}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Stretched":
        """Return what :meth:`to_document` wrote.

        Raises:
            ConfigError: it is something else.
        """
        try:
            salt, key = (bytes.fromhex(document[name]) for name in ("salt", "key"))
            n, r, p = (int(document[name]) for name in ("n", "r", "p"))
            AESGCM(key)
        except (KeyError, TypeError, ValueError, OverflowError):
            raise ConfigError("this is no stretched passphrase", hint="restart the daemon") from None
        return cls(salt, n, r, p, key)


def stretch(passphrase: Secret, random_bytes: Callable[[int], bytes] = os.urandom) -> Stretched:
    """Return a key for a new passphrase. Takes 128 MiB and about a second.

    Raises:
        ConfigError: it is empty or short.
        Unavailable: there is not that much memory.
    """
    if len(passphrase.reveal()) < LEAST_LENGTH:
        raise ConfigError(
            f"the passphrase has fewer than {LEAST_LENGTH} characters",
            hint="it guards every login in the backup: take several words",
        )
    salt = random_bytes(_SALT)
    return Stretched(salt, _N, _R, _P, _scrypt(passphrase, salt, _N, _R, _P))


def close_ring(
    ring: Keyring, stretched: Stretched, random_bytes: Callable[[int], bytes] = os.urandom
) -> dict[str, Any]:
    """Return a sealed ring as JSON values, with all but the passphrase that opens it."""
    nonce = random_bytes(_NONCE)
    box = nonce + AESGCM(stretched.key).encrypt(nonce, render(ring).encode(), _CONTEXT)
    return {
        "kdf": "scrypt",
        "salt": stretched.salt.hex(),
        "n": stretched.n,
        "r": stretched.r,
        "p": stretched.p,
        "box": b64encode(box).decode(),
    }


def open_ring(document: Mapping[str, Any], passphrase: Secret, name: str) -> Keyring:
    """Return the ring that :func:`close_ring` sealed.

    Args:
        document: what it returned.
        passphrase: what the person says.
        name: the file that it came from.

    Raises:
        ConfigError: the passphrase is another, or the file was changed.
        Unsafe: the file asks for more memory than a passphrase is worth, or is damaged.
        Unavailable: there is less memory than it asks for.
    """
    try:
        salt, box = bytes.fromhex(document["salt"]), b64decode(document["box"], validate=True)
        n, r, p = (int(document[word]) for word in ("n", "r", "p"))
        if document["kdf"] != "scrypt" or n > _MOST_N or r > _MOST_R or p > _MOST_P:
            raise ValueError  # noqa: TRY301 - as much nonsense as a missing field
        key = _scrypt(passphrase, salt, n, r, p)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise Unsafe(
            f"the key in {name} is damaged", hint="copy the backup again, or bring the key file"
        ) from None
    try:
        text = AESGCM(key).decrypt(box[:_NONCE], box[_NONCE:], _CONTEXT)
    except (InvalidTag, ValueError):
        raise ConfigError(
            f"this passphrase does not open the key in {name}",
            hint="type it again; or bring the key file, with which no passphrase is needed",
            code="sealed",
        ) from None
    return parse_keyring(text.decode(), name)


def _scrypt(passphrase: Secret, salt: bytes, n: int, r: int, p: int) -> bytes:
    kdf = Scrypt(salt=salt, length=32, n=n, r=r, p=p)
    try:
        return kdf.derive(passphrase.reveal().encode("utf-8", "surrogateescape"))
    except MemoryError:
        raise Unavailable(
            f"a passphrase takes {128 * n * r >> 20} MiB of memory, and there is less",
            hint="free memory, or raise the limit (ulimit -v, the container's)",
        ) from None
