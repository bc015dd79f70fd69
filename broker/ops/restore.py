"""Bring a backup back into a home without a store.

Everything is looked at before anything is made: the file is read to its end once, so that one that
is damaged or cut leaves nothing behind. Then the key file, where the backup brought it; then the
store, in one transaction. Stopped anywhere, the same command goes on.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from broker.domain.audit import Action
from broker.domain.records import AuditRecord
from broker.ops.home import Home
from broker.ops.setup import make_home
from broker.seal.box import Seal
from broker.seal.keyfile import keep_keyring, load_keyring
from broker.seal.keyring import Keyring, is_key_id
from broker.seal.passphrase import open_ring
from broker.seal.stream import Head, read_chunks, read_head
from broker.settings import Settings
from broker.store.dump import lines_of
from broker.store.engine import Database, files_of
from broker.store.restoring import has_tables, restore_store
from broker.store.store import Store
from fetchtoken.domain.errors import ConfigError, Malformed
from fetchtoken.domain.secret import Secret

__all__ = ["Restored", "restore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What came back."""

    made_at: str
    store_id: str
    accounts: int
    clients: int
    in_doubt: tuple[str, ...]
    """Accounts that were being exchanged when the backup was made, or in doubt already."""
    key_file: str
    key_came: bool
    """The key file came out of the backup."""


def restore(  # noqa: PLR0913 - a record; its fields are named at the call
    home: Home,
    settings: Settings,
    file: BinaryIO,
    *,
    name: str,
    config: Path | None,
    peer: str,
    passphrase: Callable[[], Secret],
) -> Restored:
    """Make the home's store from a backup.

    Args:
        home: made where there is none.
        settings: where its key file and store are.
        file: the backup, at its beginning.
        name: the backup's name, for messages.
        config: the settings file in use, where it is not the home's own.
        peer: who asks, for the audit record.
        passphrase: called where the backup's own keys are needed.

    Raises:
        ConfigError: the home has a store or is in use, a master key is missing (it is named), the
            passphrase is another, or the schema is newer than this program.
        Malformed: it is no backup, or cut.
        Unsafe: it is damaged; home or key file are open to others.
        Unavailable: the database does not work.
    """
    head = read_head(file, name)
    start = file.tell()
    if home.exists():
        home.check()
    _refuse_a_store(settings.store_url(home))
    key_file = settings.key_file(home, os.environ)
    ring, came = _ring(head, key_file, passphrase)
    for _ in _content(file, head, ring):
        pass
    home.make()
    with _held(home):
        url = settings.store_url(home)
        _refuse_a_store(url)
        if came:
            # Outside of what is taken back: a file that is in its way is another one's.
            keep_keyring(ring, key_file)
        try:
            file.seek(start)
            counts = asyncio.run(_fill(url, Seal(ring), file, head, ring))
        except BaseException:
            for path in (*files_of(url), *([key_file] if came else [])):
                path.unlink(missing_ok=True)
            raise
        make_home(home, settings, config=config)
        made_at, store_id = (str(head.fields.get(word, "")) for word in ("made_at", "store_id"))
        at = time.time() + settings.clock.offset
        detail = f"made {made_at} of store {store_id}"
        record = AuditRecord(at, Action.BACKUP_RESTORED, peer=peer, detail=detail)
        in_doubt = asyncio.run(_begin(url, Seal(ring), home.audit_head, record))
    return Restored(
        made_at=made_at,
        store_id=store_id,
        accounts=counts.get("accounts", 0),
        clients=counts.get("clients", 0),
        in_doubt=in_doubt,
        key_file=str(key_file),
        key_came=came,
    )


def _content(file: BinaryIO, head: Head, ring: Keyring) -> Iterator[bytes]:
    return read_chunks(file, head, ring.derive("backup", head.key_id))


async def _fill(url: str, seal: Seal, file: BinaryIO, head: Head, ring: Keyring) -> dict[str, int]:
    database = Database(url)
    try:
        return await restore_store(
            database,
            seal,
            lines_of(_content(file, head, ring)),
            schema=str(head.fields.get("schema", "")),
            name=head.name,
            made_at=str(head.fields.get("made_at", "")),
        )
    finally:
        await database.close()


async def _begin(url: str, seal: Seal, head: Path, record: AuditRecord) -> tuple[str, ...]:
    """Write down where the store came from; return which accounts are in doubt."""
    store = await Store.open(url, seal, now=lambda: record.at, head=head, restored=True)
    try:
        await store.record(record)
        return tuple(account.name for account in await store.unsettled())
    finally:
        await store.close()


def _ring(head: Head, key_file: Path, passphrase: Callable[[], Secret]) -> tuple[Keyring, bool]:
    """Return the keys that a backup needs, and whether they came out of it."""
    inside = head.fields.get("keys")
    needed = head.fields.get("key_ids")
    # The head is not proven yet: nothing of it goes into a message that is not what it should be.
    if not isinstance(needed, list) or head.key_id not in needed or not all(map(is_key_id, needed)):
        raise Malformed(f"{head.name} does not say which keys it needs", hint="take an earlier backup")
    came = not key_file.exists() and isinstance(inside, dict)
    if came and isinstance(inside, dict):
        ring = open_ring(inside, passphrase(), head.name)
    elif key_file.exists():
        ring = load_keyring(key_file)
    else:
        raise ConfigError(
            f"{head.name} needs master key {', '.join(needed)}, and there is no {key_file}",
            hint=_bring(key_file),
            code="sealed",
        )
    missing = [key_id for key_id in needed if key_id not in ring.ids]
    if missing:
        source = "its own key ring" if came else str(key_file)
        raise ConfigError(
            f"{head.name} needs master key {', '.join(missing)}, which is not in {source}",
            hint=_way_out(key_file, is_inside=isinstance(inside, dict)),
            code="sealed",
        )
    return ring, came


def _way_out(key_file: Path, *, is_inside: bool) -> str:
    if is_inside:
        return f"move {key_file} away: the backup holds its own keys, under a passphrase"
    return _bring(key_file)


def _bring(key_file: Path) -> str:
    return (
        "bring the key file of the broker that made it:"
        f" install -d -m 700 {key_file.parent} && install -m 600 KEYFILE {key_file}"
    )


@contextmanager
def _held(home: Home) -> Iterator[None]:
    with home.try_lock() as free:
        if not free:
            raise ConfigError(
                f"a broker is at work on {home.path} (pid {home.holder()})",
                hint="stop it, or choose another home with --home",
            )
        yield


def _refuse_a_store(url: str) -> None:
    """Raise where there is a store; what a killed restore left is none."""
    store, *beside = files_of(url)
    if not store.exists():
        left = [path for path in beside if path.exists()]
        if left:
            raise ConfigError(
                f"{left[0]} is there, of a store that is gone",
                hint=f"move it away: mv {left[0]} {left[0]}.old",
            )
        return
    if asyncio.run(_holds_something(url)):
        raise ConfigError(
            f"there is a store already at {store}", hint="choose another home with --home, or move it away"
        )


async def _holds_something(url: str) -> bool:
    database = Database(url)
    try:
        return await has_tables(database)
    finally:
        await database.close()
