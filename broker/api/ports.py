"""What the HTTP API alone needs of the rest of the daemon."""

from typing import Protocol

__all__ = ["Health"]


class Health(Protocol):
    """What is wrong with the daemon itself."""

    def troubles(self) -> tuple[str, ...]:
        """Return which of ``store``, ``seal``, ``journal`` and ``audit`` do not work; never blocks."""
        ...
