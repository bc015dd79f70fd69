"""Logging is global to the process: each test gets it back as it was."""

import logging
import warnings

import pytest
import structlog


@pytest.fixture(autouse=True)
def _logging_as_it_was():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    names = ("aiohttp", "aiosqlite", "asyncio", "sqlalchemy")
    levels = {name: logging.getLogger(name).level for name in names}
    shown = warnings.showwarning
    yield
    logging.captureWarnings(capture=False)
    warnings.showwarning = shown
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, was in levels.items():
        logging.getLogger(name).setLevel(was)
    structlog.reset_defaults()
