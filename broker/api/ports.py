"""What the API needs of the rest of the daemon."""

from typing import Protocol

from broker.domain.records import Account, AuditRecord
from broker.telemetry.requestlog import RequestLine

__all__ = ["AuditWriter", "Coordinator", "Health", "Lines"]


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


class Health(Protocol):
    """What is wrong with the daemon itself."""

    def troubles(self) -> tuple[str, ...]:
        """Return which of ``store``, ``seal``, ``journal`` and ``audit`` do not work; never blocks."""
        ...


class Lines(Protocol):
    """Where request lines go."""

    def add(self, line: RequestLine) -> None:
        """Take one line without blocking."""
        ...
