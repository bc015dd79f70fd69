"""What the issuer's own log says about each login: the only witness that is believed."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from tests.support.issuer import TOKEN_ROUTE

__all__ = ["Ledger"]


class Ledger:
    """Sums up the log of a strict issuer, entry by entry.

    Attributes:
        seen: entries taken in so far.
        rotations: exchanges that the issuer committed.
        reused: exchanges of a token that was spent; each cost a login.
        strange: other requests to the token endpoint that did not rotate.
    """

    def __init__(self) -> None:
        self.seen = 0
        self.rotations = 0
        self.reused: list[dict[str, Any]] = []
        self.strange: list[dict[str, Any]] = []
        self._newest: dict[str, int] = defaultdict(int)
        self._requests: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)

    def take(self, entries: Iterable[dict[str, Any]]) -> None:
        """Take in what was logged since the last call."""
        for entry in entries:
            self.seen += 1
            if entry["route"] != TOKEN_ROUTE:
                continue
            login_id, generation = entry["login_id"], entry["generation"]
            self._requests[login_id, generation].append(entry)
            if entry["decision"] == "rotated":
                self.rotations += 1
                self._newest[login_id] += 1
            elif entry["decision"].startswith("reused"):
                self.reused.append(entry)
            else:
                self.strange.append(entry)

    def newest(self, login_id: str) -> int:
        """Return the generation of the only refresh token of a login that is still good."""
        return self._newest[login_id]

    def requests(self, login_id: str, generation: int) -> list[dict[str, Any]]:
        """Return every sending of one refresh token."""
        return list(self._requests[login_id, generation])
