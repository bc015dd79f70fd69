"""Master keys by id, and the keys derived from them for one purpose each."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Literal

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fetchtoken.domain.errors import ConfigError

__all__ = ["KEY_BYTES", "Keyring", "Purpose", "derive", "is_key_id", "key_id_of"]

KEY_BYTES = 32

_HEX = frozenset("0123456789abcdef")

Purpose = Literal[
    "key id",
    "seal",
    "journal",
    "backup",
    "api-key-hash",
    "fingerprint",
    "invite",
    "device",
    "audit",
    "audit head",
]
"""What a derived key is for; a key made for one purpose says nothing about another."""


def derive(key: bytes, purpose: Purpose, length: int = KEY_BYTES) -> bytes:
    """Return the key for one purpose: HKDF-SHA256 (RFC 5869) without salt, the purpose as info."""
    info = b"codex-token-broker/1 " + purpose.encode()
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(key)


def key_id_of(key: bytes) -> str:
    """Return the 8 hex digits by which a key is named: made from the key, so they prove it too."""
    return derive(key, "key id", 4).hex()


def is_key_id(value: object) -> bool:
    """Tell whether something that was read could be a key's id."""
    return isinstance(value, str) and len(value) == 8 and _HEX.issuperset(value)


@dataclass(frozen=True, slots=True)
class _Held:
    """What is on a ring at one moment; replaced as a whole, so that no reader sees half a change."""

    keys: Mapping[str, bytes] = field(repr=False)
    current: str
    since: Mapping[str, float]
    derived: dict[tuple[str, Purpose], bytes] = field(default_factory=dict, repr=False)

    def derive(self, purpose: Purpose, key_id: str, source: str) -> bytes:
        found = self.derived.get((key_id, purpose))
        if found is None:
            found = self.derived[key_id, purpose] = derive(self.master(key_id, source), purpose)
        return found

    def master(self, key_id: str, source: str) -> bytes:
        key = self.keys.get(key_id)
        if key is None:
            raise ConfigError(
                f"master key {key_id} is needed and not in {source}",
                hint="bring back the key file that this store was sealed with",
                code="sealed",
            )
        return key


class Keyring:
    """The master keys of one home; one is current, the others still open what they sealed.

    Whoever seals or opens asks the ring each time, so a change by :meth:`take` is in force everywhere
    at once. Any thread may ask.

    Args:
        keys: master keys by id.
        current: the id under which new boxes are sealed.
        source: the file they came from and are kept in.
        since: when a key was made, epoch seconds, as far as it is known.
    """

    __slots__ = ("_held", "source")

    def __init__(
        self, keys: Mapping[str, bytes], current: str, source: str, since: Mapping[str, float] | None = None
    ) -> None:
        known = {key_id: at for key_id, at in (since or {}).items() if key_id in keys}
        self._held = _Held(dict(keys), current, known)
        self.source = source

    @classmethod
    def new(
        cls, random_bytes: Callable[[int], bytes], source: str = "", now_s: float | None = None
    ) -> "Keyring":
        """Return a ring with one new key.

        Args:
            random_bytes: a strong source such as ``os.urandom``.
            source: the file that it is for.
            now_s: epoch seconds, where the key's age is to be known.
        """
        key = random_bytes(KEY_BYTES)
        key_id = key_id_of(key)
        return cls({key_id: key}, key_id, source, {} if now_s is None else {key_id: now_s})

    @property
    def current(self) -> str:
        """Return the id under which new boxes are sealed."""
        return self._held.current

    @property
    def ids(self) -> frozenset[str]:
        """Return the ids of all keys held."""
        return frozenset(self._held.keys)

    def since(self, key_id: str) -> float | None:
        """Return when a key was made, epoch seconds; ``None`` where nobody wrote it down."""
        return self._held.since.get(key_id)

    def told(self) -> str:
        """Return its file, how many keys there are, and which is current, for people."""
        return f"{self.source}, {len(self.ids)} held, current {self.current}"

    def master(self, key_id: str) -> bytes:
        """Return a master key itself, for writing the key file.

        Raises:
            ConfigError: no key of that id (``code`` is ``sealed``).
        """
        return self._held.master(key_id, self.source)

    def derive(self, purpose: Purpose, key_id: str = "") -> bytes:
        """Return the 32-byte key for a purpose.

        Args:
            purpose: what it is for.
            key_id: of which master key; the current one where empty.

        Raises:
            ConfigError: no key of that id.
        """
        held = self._held
        return held.derive(purpose, key_id or held.current, self.source)

    def derive_current(self, purpose: Purpose) -> tuple[str, bytes]:
        """Return the current key's id and its key for a purpose: two that belong together."""
        held = self._held
        return held.current, held.derive(purpose, held.current, self.source)

    def derive_all(self, purpose: Purpose) -> dict[str, bytes]:
        """Return the keys for a purpose by id, of all master keys held at one moment."""
        held = self._held
        return {key_id: held.derive(purpose, key_id, self.source) for key_id in held.keys}

    def and_new(self, random_bytes: Callable[[int], bytes], now_s: float) -> "Keyring":
        """Return a ring with one more key, which is current."""
        return Keyring.new(random_bytes, self.source, now_s).and_all_of(self)

    def and_all_of(self, other: "Keyring") -> "Keyring":
        """Return a ring with the keys of both; this one's current key stays current."""
        mine, theirs = self._held, other._held  # noqa: SLF001 - of the same class
        return Keyring(
            {**theirs.keys, **mine.keys}, mine.current, self.source, {**theirs.since, **mine.since}
        )

    def without(self, key_ids: AbstractSet[str]) -> "Keyring":
        """Return a ring that lacks some keys; the current one always stays."""
        held = self._held
        kept = {key_id: key for key_id, key in held.keys.items() if key_id not in key_ids - {held.current}}
        return Keyring(kept, held.current, self.source, held.since)

    def take(self, other: "Keyring") -> None:
        """Hold from now on what another ring holds, all of it in one step."""
        self._held = other._held  # noqa: SLF001 - of the same class

    def __repr__(self) -> str:
        return f"Keyring(current={self.current!r}, ids={sorted(self.ids)!r})"

    def __reduce__(self) -> str:
        message = "a Keyring cannot be pickled or copied"
        raise TypeError(message)
