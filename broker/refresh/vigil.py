"""Whether this process has been at work all the time, or its machine slept."""

import time
from collections.abc import Callable

from broker.domain.secondlife import has_slept

__all__ = ["Vigil"]


class Vigil:
    """Nothing is sent after a long sleep until somebody has looked what it means.

    Args:
        absence_s: the longest sleep that needs no look.
        clock: epoch seconds by the machine's own clock: putting the broker's on is no sleep.
    """

    def __init__(self, absence_s: float = float("inf"), clock: Callable[[], float] = time.time) -> None:
        self._absence_s = absence_s
        self._clock = clock
        self.last_s = clock()
        """When somebody was last at work here. It never goes back, whatever the clock does."""

    def since(self, last_s: float) -> None:
        """Go by what a former process left."""
        self.last_s = last_s

    def slept(self) -> bool:
        """Tell whether nobody was at work for too long until now."""
        return has_slept(self.last_s, self._clock(), self._absence_s)

    def saw(self) -> float:
        """Note that somebody is at work now; return since when that is known."""
        self.last_s = max(self.last_s, self._clock())
        return self.last_s
