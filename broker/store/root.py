"""The store's hash root, with the number of audit chains that were ever begun beside it in one box.

Chains and their heads are rows that whoever writes to the store can take away, all of them together with
the head file. The number cannot be lowered without the master key: a store that names fewer chains than
were begun has lost some.
"""

from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from broker.seal.box import Seal
from broker.seal.keyring import KEY_BYTES
from broker.store.sealed import meta_context
from broker.store.tables import meta
from fetchtoken.domain.errors import Unsafe

__all__ = ["Root", "open_root", "read_root", "write_root"]

_KEY = "hash_root"
_CONTEXT = meta_context(_KEY)
_COUNT_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """What lies in the box."""

    key: bytes
    """The store's own random bytes, from which its hashing keys are made."""
    begun: int | None
    """Audit chains begun in this store and in those that it came from; ``None`` where an older version
    has not counted them."""

    def close(self, seal: Seal) -> bytes:
        """Return it in a box."""
        count = b"" if self.begun is None else self.begun.to_bytes(_COUNT_BYTES, "big")
        return seal.close(self.key + count, _CONTEXT)


def open_root(seal: Seal, box: bytes) -> Root:
    """Open the box.

    Raises:
        ConfigError: its master key is missing (code ``sealed``).
        Unsafe: it is damaged (code ``sealed``).
    """
    text = seal.open(box, _CONTEXT)
    if len(text) not in (KEY_BYTES, KEY_BYTES + _COUNT_BYTES):
        raise Unsafe(
            f"{_CONTEXT} holds {len(text)} bytes, which no version writes",
            hint="bring the store back from a backup",
            code="sealed",
        )
    count = text[KEY_BYTES:]
    return Root(key=text[:KEY_BYTES], begun=int.from_bytes(count, "big") if count else None)


async def read_root(connection: AsyncConnection, seal: Seal) -> Root:
    """Return what the store holds now; raises as :func:`open_root`."""
    found = await connection.execute(select(meta.c.box).where(meta.c.key == _KEY))
    return open_root(seal, found.scalar_one())


async def write_root(connection: AsyncConnection, seal: Seal, root: Root) -> None:
    """Put it in the place of what was read, within the same write transaction."""
    await connection.execute(update(meta).where(meta.c.key == _KEY).values(box=root.close(seal)))
