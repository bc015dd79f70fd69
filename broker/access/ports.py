"""What each way in needs of the rest of the daemon."""

from typing import Protocol

from broker.domain.records import Account, AuditRecord
from broker.telemetry.requestlog import RequestLine

__all__ = ["Asking", "AuditWriter", "Coordinator", "Lines"]


class Asking(Protocol):
    """One request, whichever way it came in."""

    now_s: float
    """Epoch seconds; moves on while the caller waits."""
    account: str
    """Name of the account once it is known to be granted; for the request line."""
    peer: str
    request_id: str


class Coordinator(Protocol):
    """Whoever exchanges tokens, once for all who ask."""

    async def ensure(self, account: int, *, reason: str) -> Account:
        """Return the account with a servable token, exchanging or waiting for a flight if needed.

        Cancelling the caller does not stop an exchange.

        Args:
            account: row id.
            reason: why, for the log.

        Raises:
            FetchTokenError: it cannot be renewed now, or not without a person.
        """
        ...


class AuditWriter(Protocol):
    """The audit trail."""

    async def record(self, record: AuditRecord) -> None:
        """Return when the record is durable; raise when it cannot be."""
        ...


class Lines(Protocol):
    """Where request lines go."""

    def add(self, line: RequestLine) -> None:
        """Take one line without blocking."""
        ...
