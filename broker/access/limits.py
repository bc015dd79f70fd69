"""Token buckets with bounded memory that never forget a debt: they fail closed. Pure; time is an argument."""

from collections import OrderedDict
from typing import NamedTuple

__all__ = ["Buckets", "Rate"]


class Rate(NamedTuple):
    """How much is allowed."""

    burst: int
    """Most at once."""
    per_s: float
    """How many come back each second."""


class Buckets:
    """One bucket for each key, all of one rate.

    Only keys in debt are held. When there are as many of those as fit, further keys share one
    bucket: memory stays bounded, and no flood of keys makes an old debt forgotten.

    Args:
        rate: of each bucket.
        most: how many keys are held.
    """

    def __init__(self, rate: Rate, *, most: int = 10_000) -> None:
        self._rate = rate
        self._most = most
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._shared = (float(rate.burst), 0.0)

    def __len__(self) -> int:
        return len(self._held)

    def take(self, key: str, now_s: float) -> float:
        """Take one, and return 0; or take nothing and return the seconds until there is one.

        Args:
            key: whose bucket.
            now_s: seconds on a clock that does not go back.
        """
        level = self._level(key, now_s)
        if level < 1:
            return (1 - level) / self._rate.per_s
        self._keep(key, level - 1, now_s)
        return 0.0

    def give(self, key: str, now_s: float) -> None:
        """Put one back that was taken."""
        self._keep(key, min(float(self._rate.burst), self._level(key, now_s) + 1), now_s)

    def wait_s(self, key: str, now_s: float) -> float:
        """Return the seconds until one can be taken; 0 for now. Takes nothing."""
        return max(0.0, (1 - self._level(key, now_s)) / self._rate.per_s)

    def _level(self, key: str, now_s: float) -> float:
        """Return how much is in the bucket now."""
        held = self._held.get(key)
        if held is None:
            if len(self._held) < self._most or self._make_room(now_s):
                return float(self._rate.burst)
            held = self._shared
        level, at = held
        return min(float(self._rate.burst), level + max(0.0, now_s - at) * self._rate.per_s)

    def _keep(self, key: str, level: float, now_s: float) -> None:
        if key in self._held or len(self._held) < self._most:
            self._held[key] = (level, now_s)
            self._held.move_to_end(key)
        else:
            self._shared = (level, now_s)

    def _make_room(self, now_s: float) -> bool:
        """Drop the key that was used longest ago, if it owes nothing any more."""
        key, (level, at) = next(iter(self._held.items()))
        if level + (now_s - at) * self._rate.per_s < self._rate.burst:
            return False
        del self._held[key]
        return True
