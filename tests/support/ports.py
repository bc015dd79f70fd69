"""The two ports to which the issuer sends browsers back: one test at a time, on the whole machine."""

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["callback_ports", "hold_ports"]


@pytest.fixture
def callback_ports() -> Iterator[None]:
    """Hold the ports 1455 and 1457 for this test."""
    with hold_ports():
        yield


@contextmanager
def hold_ports() -> Iterator[None]:
    """Hold them until the block ends, whoever else runs tests here."""
    with (Path(tempfile.gettempdir()) / "codex-callback-ports.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
