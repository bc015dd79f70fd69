"""Wait for what another task or process brings about, where it gives no event to wait on."""

import asyncio
import time
from collections.abc import Callable

__all__ = ["until", "until_sync"]

WAIT_S = 30.0
_PAUSE_S = 0.01


async def until(condition: Callable[[], object], *, within_s: float = WAIT_S) -> None:
    """Return when the condition holds; fail loudly when it does not within the limit."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - there is no event: the condition is another party's state
            await asyncio.sleep(_PAUSE_S)


def until_sync(
    condition: Callable[[], object], *, within_s: float = WAIT_S, pause_s: float = _PAUSE_S
) -> None:
    """The same for a test without a loop; a longer pause where asking costs others something."""
    end_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end_s, f"not within {within_s} s"
        time.sleep(pause_s)
