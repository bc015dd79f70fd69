"""Where requests wait, so that a test can act at a known instant without sleeping."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

__all__ = ["Gates"]


class Gates:
    """Holds requests until they are released, and lets others wait for something to happen."""

    def __init__(self) -> None:
        self._held: list[asyncio.Event] = []
        self._changed = asyncio.Condition()
        self._stopping = asyncio.Event()

    @property
    def held(self) -> int:
        """Requests that are being held now."""
        return len(self._held)

    async def hold(self) -> None:
        """Wait for :meth:`release`, or for the end of the issuer."""
        gate = asyncio.Event()
        self._held.append(gate)
        await self.tell()
        await gate.wait()

    async def release(self) -> int:
        """Let every held request go on; return how many there were."""
        held, self._held = self._held, []
        for gate in held:
            gate.set()
        await self.tell()
        return len(held)

    async def tell(self) -> None:
        """Say that something changed: a request was held, released or logged."""
        async with self._changed:
            self._changed.notify_all()

    async def until(self, happened: Callable[[], bool], wait_s: float) -> None:
        """Wait until ``happened`` says so, asked after every change, at most ``wait_s`` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s), self._changed:
                await self._changed.wait_for(happened)

    async def until_stopped(self, wait_s: float | None = None) -> None:
        """Wait for the end of the issuer, at most ``wait_s`` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._stopping.wait()

    async def stop(self) -> None:
        """Let everything go that waits here."""
        self._stopping.set()
        await self.release()
