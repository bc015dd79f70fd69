"""The fast way into the audit trail: one thread, one transaction for all who wait.

While a batch is being committed the next one gathers, so under load the cost of a commit is shared
and an idle broker writes at once; nobody ever waits for a timer. Whoever awaits :meth:`record` goes
on only after the commit: a token never leaves without its record.
"""

import asyncio
import time
from asyncio import Future
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import NamedTuple

from broker.domain.audit import Action
from broker.domain.records import AuditRecord
from broker.store.engine import AuditSink
from broker.store.trail import Trail
from fetchtoken.domain.errors import Unavailable

__all__ = ["AuditWriter"]


class _Waiting(NamedTuple):
    record: AuditRecord
    done: "Future[None] | None"


class AuditWriter:
    """Writes audit records for one event loop; made and used inside it.

    When writing fails, :attr:`healthy` turns false and an ``audit.resumed`` record, which counts the
    refused ones, is tried again and again until it is written: that makes it healthy.

    Args:
        url: ``sqlite:///PATH`` of a store that is set up.
        trail: of that store.
        now: epoch seconds.
        retry_s: seconds between tries while unhealthy.
    """

    def __init__(
        self, url: str, trail: Trail, *, now: Callable[[], float] = time.time, retry_s: float = 1.0
    ) -> None:
        self.healthy = True
        """Whether the last batch could be written."""
        self._now = now
        self._retry_s = retry_s
        self._loop = asyncio.get_running_loop()
        self._waiting: list[_Waiting] = []
        self._scheduled = False
        self._writing = False
        self._closing = False
        self._refused = 0
        self._retry: asyncio.TimerHandle | None = None
        self._sink = AuditSink(url, trail.file, trail.chain, trail.mac)
        self._batches: SimpleQueue[list[_Waiting] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="audit-writer", daemon=True)
        self._thread.start()

    async def record(self, record: AuditRecord) -> None:
        """Return when the record is durable.

        Raises:
            Unavailable: it is not, or nobody can tell (code ``audit``).
        """
        if self._closing:
            raise Unavailable("the audit trail is closed", code="audit")
        done: Future[None] = self._loop.create_future()
        self._enqueue(_Waiting(record, done))
        await done

    async def close(self) -> None:
        """Write what waits, then end the thread and close the connection."""
        if self._closing:
            return
        self._closing = True
        if self._retry is not None:
            self._retry.cancel()
        self._hand_over()
        await asyncio.to_thread(self._thread.join)
        self._sink.close()

    def _enqueue(self, waiting: _Waiting) -> None:
        self._waiting.append(waiting)
        if not (self._scheduled or self._writing):
            # Not at once: what this turn of the event loop still brings goes into the same commit.
            self._scheduled = True
            self._loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        self._scheduled = False
        if self._writing:
            return
        if self._waiting:
            batch, self._waiting = self._waiting, []
            self._writing = True
            self._batches.put(batch)
        elif self._closing:
            self._batches.put(None)

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            failure = self._write([waiting.record for waiting in batch])
            self._loop.call_soon_threadsafe(self._written, batch, failure)

    def _write(self, records: list[AuditRecord]) -> str:
        """Return why the records could not be written, or an empty string."""
        try:
            try:
                self._sink.write(records)
            except UnicodeError:
                # One request's odd header must not cost the others their records.
                self._sink.write([_encodable(record) for record in records])
        except Exception as error:  # noqa: BLE001 - the thread must outlive whatever this is
            return str(error) or type(error).__name__
        return ""

    def _written(self, batch: list[_Waiting], failure: str) -> None:
        self._writing = False
        self.healthy = not failure
        for _, done in batch:
            if done is None:
                self._refused = self._refused if failure else 0
            elif failure:
                self._refused += 1
                if not done.done():
                    done.set_exception(Unavailable(f"no audit record: {failure}", code="audit"))
            elif not done.done():
                done.set_result(None)
        if failure and self._retry is None and not self._closing:
            self._retry = self._loop.call_later(self._retry_s, self._probe)
        self._hand_over()

    def _probe(self) -> None:
        self._retry = None
        told = f"{self._refused} records could not be written"
        self._enqueue(_Waiting(AuditRecord(self._now(), Action.AUDIT_RESUMED, detail=told), None))


def _encodable(record: AuditRecord) -> AuditRecord:
    at, *texts = record
    return AuditRecord(at, *(text.encode(errors="backslashreplace").decode() for text in texts))
