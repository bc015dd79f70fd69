"""How a bug is logged: what kind it was and where, never its text, which may hold anything."""

import traceback

from structlog.typing import FilteringBoundLogger

__all__ = ["log_bug"]

_FRAMES = 5


def log_bug(log: FilteringBoundLogger, event: str, error: Exception, **fields: str) -> None:
    """Log an unexpected exception by its type and the last places of its way.

    Args:
        log: the caller's logger.
        event: what failed.
        error: the exception; its text and its locals are left out.
        fields: what else the line says.
    """
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    where = [f"{frame.filename}:{frame.lineno}" for frame in frames]
    log.error(event, error=type(error).__name__, where=where, **fields)
