"""A whole store in one sealed file, taken while the broker works.

All tables are read in one transaction, so the file holds one state of the store, whatever is being
rotated or served meanwhile. Boxes stay in it as they are, under their master keys; the file as a whole
is sealed under a key made from the current one. Journal files are not inside: an exchange that was
under way when the backup was made is in doubt in what is restored from it.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, BinaryIO

from broker.seal.passphrase import Stretched, close_ring
from broker.seal.stream import SealedWriter
from broker.store.dump import dump, key_ids
from broker.store.setup import schema_of
from broker.store.store import Store
from fetchtoken import __version__
from fetchtoken.domain.instants import to_rfc3339

__all__ = ["DRAFT", "Backup", "write_backup"]

DRAFT = "backup"
"""What drafts of backups in the home are called by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What a backup holds."""

    key_id: str
    """Of the master key that it is sealed under."""
    key_ids: tuple[str, ...]
    """Of all master keys that are needed to open what is in it."""
    made_at: str
    """RFC 3339."""
    with_key: bool
    counts: dict[str, int]
    """Rows by table."""

    def to_document(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "key_id": self.key_id,
            "key_ids": list(self.key_ids),
            "made_at": self.made_at,
            "with_key": self.with_key,
            "accounts": self.counts["accounts"],
            "clients": self.counts["clients"],
        }


async def write_backup(
    store: Store, file: BinaryIO, *, now_s: float, stretched: Stretched | None = None
) -> Backup:
    """Write a backup; it is whole when this returns, and durable once the caller has synced the file.

    Args:
        store: the store; it is not changed.
        file: an empty one.
        now_s: epoch seconds.
        stretched: put the master keys inside, under this passphrase.

    Raises:
        OSError: the file cannot be written.
        Unavailable: the database does not answer.
    """
    keys = store.keys.seal.keys
    before = keys.and_all_of(keys)
    async with store.database.read() as connection:
        schema = await connection.run_sync(schema_of)
        needed = await key_ids(connection)
        # A key may have come or gone around the moment that this transaction sees.
        ring = keys.and_all_of(before)
        made_at = to_rfc3339(now_s)
        head: dict[str, Any] = {
            "made_at": made_at,
            "program": __version__,
            "store_id": store.store_id,
            "schema": schema,
            "key_id": ring.current,
            "key_ids": sorted(needed | {ring.current}),
        }
        if stretched is not None:
            head["keys"] = close_ring(ring, stretched)
        writer = SealedWriter(file, head, ring.derive("backup", ring.current))
        counts = await dump(connection, writer.write)
    await asyncio.to_thread(_finish, writer, file)
    return Backup(
        key_id=ring.current,
        key_ids=tuple(head["key_ids"]),
        made_at=made_at,
        with_key=stretched is not None,
        counts=counts,
    )


def _finish(writer: SealedWriter, file: BinaryIO) -> None:
    writer.finish()
    file.flush()
