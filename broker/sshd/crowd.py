"""How many may be inside at once, and from one address. Pure."""

from collections import Counter

from broker.access.addresses import limit_key

__all__ = ["Crowd"]


class Crowd:
    """Counts connections.

    Args:
        most: in all.
        most_each: from one address, so that nobody takes every place.
    """

    def __init__(self, most: int = 256, most_each: int = 128) -> None:
        self._most = most
        self._most_each = most_each
        self._inside: Counter[str] = Counter()

    def enter(self, address: str) -> bool:
        """Take a place, and tell whether there was one; who got none does not leave."""
        where = limit_key(address)
        if self._inside.total() >= self._most or self._inside[where] >= self._most_each:
            return False
        self._inside[where] += 1
        return True

    def leave(self, address: str) -> None:
        """Give a place back."""
        where = limit_key(address)
        self._inside[where] -= 1
        if not self._inside[where]:
            del self._inside[where]
