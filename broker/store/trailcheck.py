"""Checking the audit trail of a store that is written meanwhile: heads first, then rows, page by page."""

import asyncio
import time

from sqlalchemy import func, select

from broker.domain.chain import OLDER, Head, Row
from broker.domain.findings import Finding, Kind, Known
from broker.domain.verify import Verifier
from broker.store.audit import read_rows
from broker.store.engine import DAMAGED
from broker.store.root import read_root
from broker.store.store import Store
from broker.store.tables import audit
from broker.store.trail import Trail, read_heads
from fetchtoken.domain.errors import Unavailable

__all__ = ["TrailCheck"]

_PAGE = 1000
_MOST_STARTS = 10_000


class TrailCheck:
    """One check; made by :meth:`begin`.

    Args:
        store: whose trail.
        verifier: follows the rows.
        total: how many rows there were at the beginning.
    """

    def __init__(self, store: Store, verifier: Verifier, total: int) -> None:
        self._store = store
        self._after: tuple[str, int] | None = None
        self.verifier = verifier
        self.total = total

    @classmethod
    async def begin(cls, store: Store) -> "TrailCheck":
        """Note every head; what is written from now on only makes the rows more than that.

        Raises:
            Unavailable: the store does not answer, or the head file cannot be read.
        """
        problem, own = await asyncio.to_thread(_own_head, store.trail)
        async with store.database.read() as connection:
            begun = (await read_root(connection, store.keys.seal)).begun
        try:
            async with store.database.read() as connection:
                heads = await read_heads(connection)
                total = (await connection.execute(select(func.count()).select_from(audit))).scalar_one()
                firsts = select(audit).where(audit.c.seq == 0, audit.c.chain != OLDER).limit(_MOST_STARTS)
                starts = [tuple(row) for row in await connection.execute(firsts)]
        except Unavailable as error:
            if error.code != DAMAGED:
                raise
            heads, total, starts = {}, 0, []
        known = Known(heads=heads, starts=starts, own=own, problem=problem, begun=begun)
        return cls(store, Verifier(store.keys.audit, known), total)

    async def step(self, seconds: float) -> bool:
        """Check rows for a while; tell whether there may be more.

        Args:
            seconds: how long, about.

        Raises:
            Unavailable: the store does not answer.
        """
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            rows = await self._page()
            if not rows:
                self.verifier.end()
                return False
            await asyncio.to_thread(self.verifier.take, rows)
            chain, seq = rows[-1][0], rows[-1][1]
            if not isinstance(chain, str) or not isinstance(seq, int):
                # Such values sort last: nothing else follows them.
                self.verifier.end()
                return False
            self._after = (chain, seq)
        return True

    async def _page(self) -> list[Row]:
        try:
            async with self._store.database.read() as connection:
                return list(await read_rows(connection, self._after, _PAGE))
        except Unavailable as error:
            if error.code != DAMAGED:
                raise
            self.verifier.unreadable(*(self._after or (OLDER, 0)), error.message)
            return []


def _own_head(trail: Trail) -> tuple[Finding | None, list[Head]]:
    """Return what is wrong with the head file, and the heads that it and this process know.

    What this process wrote last is looked at first: the file is not behind it.
    """
    try:
        trail.file.ensure()
        known = trail.file.written
        found = trail.file.read()
    except OSError as error:
        raise Unavailable(
            f"the audit head {trail.file.path} does not work: {error.strerror}",
            hint="free or mend the disk",
            code="audit",
        ) from None
    heads = [head for head in (known, found.head) if head is not None]
    if found.head is None:
        kind = Kind.HEAD_FORGED if found.forged else Kind.HEAD_MISSING
        what = "holds what this broker did not write" if found.forged else "is gone"
    elif known is not None and (found.head.chain != known.chain or found.head.seq < known.seq):
        kind, what = Kind.HEAD_FORGED, "is older than what this broker wrote last"
    else:
        return None, heads
    return Finding(trail.chain, known.seq if known else 0, kind, f"{trail.file.path} {what}"), heads
