"""Master keys by id, and the keys derived from them for one purpose each."""

from collections.abc import Callable, Mapping
from typing import Literal

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fetchtoken.domain.errors import ConfigError

__all__ = ["KEY_BYTES", "Keyring", "Purpose", "derive", "key_id_of"]

KEY_BYTES = 32

Purpose = Literal["key id", "seal", "journal", "backup", "api-key-hash", "fingerprint"]
"""What a derived key is for; a key made for one purpose says nothing about another."""


def derive(key: bytes, purpose: Purpose, length: int = KEY_BYTES) -> bytes:
    """Return the key for one purpose: HKDF-SHA256 (RFC 5869) without salt, the purpose as info."""
    info = b"codex-token-broker/1 " + purpose.encode()
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(key)


def key_id_of(key: bytes) -> str:
    """Return the 8 hex digits by which a key is named: made from the key, so they prove it too."""
    return derive(key, "key id", 4).hex()


class Keyring:
    """The master keys of one home; one is current, the others still open what they sealed.

    Args:
        keys: master keys by id.
        current: the id under which new boxes are sealed.
        source: the file they came from, for messages.
    """

    __slots__ = ("_derived", "_keys", "current", "source")

    def __init__(self, keys: Mapping[str, bytes], current: str, source: str) -> None:
        self._keys = dict(keys)
        self._derived: dict[tuple[str, Purpose], bytes] = {}
        self.current = current
        self.source = source

    @classmethod
    def new(cls, random_bytes: Callable[[int], bytes], source: str = "") -> "Keyring":
        """Return a ring with one new key; ``random_bytes`` is a strong source such as ``os.urandom``."""
        key = random_bytes(KEY_BYTES)
        return cls({key_id_of(key): key}, key_id_of(key), source)

    @property
    def ids(self) -> frozenset[str]:
        """Return the ids of all keys held."""
        return frozenset(self._keys)

    def master(self, key_id: str) -> bytes:
        """Return a master key itself, for writing the key file.

        Raises:
            ConfigError: no key of that id (``code`` is ``sealed``).
        """
        key = self._keys.get(key_id)
        if key is None:
            raise ConfigError(
                f"master key {key_id} is needed and not in {self.source}",
                hint="bring back the key file that this store was sealed with",
                code="sealed",
            )
        return key

    def derive(self, purpose: Purpose, key_id: str = "") -> bytes:
        """Return the 32-byte key for a purpose.

        Args:
            purpose: what it is for.
            key_id: of which master key; the current one where empty.

        Raises:
            ConfigError: no key of that id.
        """
        wanted = (key_id or self.current, purpose)
        found = self._derived.get(wanted)
        if found is None:
            found = self._derived[wanted] = derive(self.master(wanted[0]), purpose)
        return found

    def __repr__(self) -> str:
        return f"Keyring(current={self.current!r}, ids={sorted(self._keys)!r})"

    def __reduce__(self) -> str:
        message = "a Keyring cannot be pickled or copied"
        raise TypeError(message)
