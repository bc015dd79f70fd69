"""Log lines: JSON when nobody watches, ``key=value`` on a terminal; never a secret, never locals.

Lines of structlog and of the standard library (aiohttp, asyncio, alembic) go through the same
processors, so that the same redaction holds for both. Requests are not logged here: see
:mod:`broker.telemetry.requestlog`.
"""

import logging
import sys
from contextlib import suppress
from typing import TextIO, cast

import structlog
from structlog.processors import ExceptionRenderer, JSONRenderer, LogfmtRenderer, TimeStamper, add_log_level
from structlog.stdlib import ProcessorFormatter
from structlog.tracebacks import ExceptionDictTransformer
from structlog.types import EventDict, Processor, WrappedLogger

from broker.telemetry.redact import redact
from fetchtoken.domain.errors import ConfigError

__all__ = ["LEVELS", "configure"]

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
"""Names of the levels in settings."""

_FIRST = ("at", "level", "event")

_CHATTY = ("aiohttp", "aiosqlite", "alembic", "asyncio", "asyncssh", "sqlalchemy")
"""Below warnings these print statements, callbacks and commands with what was passed to them."""


def redact_event(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    """Blank secrets in a whole event, and put what every line has first (a structlog processor)."""
    first = {name: event_dict.pop(name) for name in _FIRST if name in event_dict}
    return cast("EventDict", redact({**first, **event_dict}))


def _flatten_exception(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    """Turn a structured traceback into one line for a terminal."""
    stacks = event_dict.pop("exception", None)
    if isinstance(stacks, list):
        event_dict["exception"] = " from ".join(
            f"{stack['exc_type']}: {stack['exc_value']}"
            + "".join(f" < {frame['filename']}:{frame['lineno']}" for frame in reversed(stack["frames"]))
            for stack in stacks
        )
    return event_dict


def _processors(*, terminal: bool) -> list[Processor]:
    """Return what every line goes through; the last renders it."""
    structured = ExceptionRenderer(
        ExceptionDictTransformer(show_locals=False, use_rich=False, max_frames=20, suppress=())
    )
    common: list[Processor] = [TimeStamper(fmt="iso", utc=True, key="at"), structured]
    if terminal:
        return [
            *common,
            redact_event,
            _flatten_exception,
            LogfmtRenderer(key_order=_FIRST, drop_missing=True),
        ]
    return [*common, redact_event, JSONRenderer()]


class _Handler(logging.StreamHandler[TextIO]):
    """Writes lines; a line that cannot be made is named, not dumped with its arguments."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        """Say where the bad call stands; the default prints the raw arguments."""
        with suppress(Exception):
            where = f"{record.pathname}:{record.lineno}"
            structlog.get_logger().error("a log line could not be written", where=where)


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Route all logging of this process to one stream; a second call replaces the first.

    Args:
        level: one of :data:`LEVELS`.
        stream: where lines go; standard error by default.

    Raises:
        ConfigError: there is no such level.
    """
    if level not in LEVELS:
        raise ConfigError(f"no log level {level!r}", hint="use one of " + ", ".join(LEVELS))
    stream = sys.stderr if stream is None else stream
    processors = _processors(terminal=stream.isatty())
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, add_log_level, *processors],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = _Handler(stream)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[add_log_level, structlog.stdlib.add_logger_name],
            processors=[ProcessorFormatter.remove_processors_meta, *processors],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(LEVELS[level])
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(LEVELS[level], logging.WARNING))
    logging.captureWarnings(capture=True)
