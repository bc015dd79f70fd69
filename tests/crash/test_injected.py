"""Failing system calls in mid-refresh, chosen by a seed; ``python -m tests.crash.injections`` for more."""

from collections.abc import Callable

import pytest

from tests.crash.injections import run_injections

COUNT = 60
SEED = 5


@pytest.mark.reliability
@pytest.mark.timeout(400)
def test_nothing_acknowledged_is_lost_and_nothing_is_silent(
    record_property: Callable[[str, object], None],
) -> None:
    """fsync, fdatasync, write, pwrite64, ftruncate, fallocate, rename and openat fail one at a time."""
    found = run_injections(COUNT, SEED)
    for name, value in found.items():
        record_property(name, value)
    assert found["failures"] == []
    assert found["injections"] == COUNT
    assert int(str(found["hits"])) >= COUNT // 4, "the choice hardly ever met a call"
