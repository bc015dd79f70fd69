"""Whether everything that is sealed in a home opens with the key file that lies there."""

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import create_engine, select
from sqlalchemy.pool import NullPool

from broker.seal.box import Seal
from broker.seal.keyfile import load_keyring
from broker.store.sealed import SEALED
from fetchtoken.domain.errors import FetchTokenError
from fetchtoken.oauth.journal import key_ids

__all__ = ["closed_boxes", "unreadable_journals"]


def closed_boxes(home: Path) -> list[str]:
    """Return what does not open of the boxes in a home's store, as of one moment; any process may run."""
    ring = load_keyring(home / "master.key")
    seal, closed = Seal(ring), []
    with closing(sqlite3.connect(f"file:{home / 'broker.db'}?mode=ro", uri=True)) as raw:
        engine = create_engine("sqlite://", creator=lambda: raw, poolclass=NullPool)
        with engine.connect() as connection:
            for sealed in SEALED:
                for row in connection.execute(select(sealed.table)):
                    for name, context in sealed.contexts.items():
                        box = row._mapping[name]
                        if box is not None and not _opens(seal, box, context(row)):
                            closed.append(f"{context(row)} under {box[1:5].hex()}, the file has {ring!r}")
    return closed


def _opens(seal: Seal, box: bytes, context: str) -> bool:
    try:
        seal.open(box, context)
    except FetchTokenError:
        return False
    return True


def unreadable_journals(home: Path) -> list[str]:
    """Return which journal files name a key that the key file does not hold."""
    # The directory before the key file: a file that is there keeps its key in the key file.
    files = [*(home / "journal").glob("*.journal"), *home.glob("*.journal")]
    named = {str(path): key_ids(str(path)) for path in files}
    ring = load_keyring(home / "master.key")
    return [f"{path} needs {ids}, the file has {ring!r}" for path, ids in named.items() if ids - ring.ids]
