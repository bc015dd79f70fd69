"""What was seen a while ago: a set with an age limit and bounded memory. Pure; time is an argument."""

from collections import OrderedDict

__all__ = ["Recent"]


class Recent:
    """Remembers texts for a time; when full, the one seen longest ago is forgotten.

    Args:
        for_s: how long one is remembered.
        most: how many are.
    """

    def __init__(self, for_s: float, *, most: int = 10_000) -> None:
        self._for_s = for_s
        self._most = most
        self._seen: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, text: str, now_s: float) -> None:
        """Remember that a text was seen now."""
        self._seen[text] = now_s
        self._seen.move_to_end(text)
        if len(self._seen) > self._most:
            self._seen.popitem(last=False)

    def has(self, text: str, now_s: float) -> bool:
        """Tell whether it was seen lately."""
        at = self._seen.get(text)
        return at is not None and now_s - at < self._for_s
