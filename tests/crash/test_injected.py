"""Row 5 of the reliability table: failing system calls in mid-refresh."""

import secrets

import pytest

from tests.crash.injections import run_injections

COUNT = 60


@pytest.mark.reliability
@pytest.mark.timeout(600)
def test_nothing_acknowledged_is_lost_and_nothing_is_silent() -> None:
    """fsync, fdatasync, write, pwrite64, ftruncate, fallocate, rename and openat fail one at a time."""
    seed = secrets.randbelow(2**32)

    found = run_injections(COUNT, seed=seed)

    assert found.holds, f"seed {seed}\n{found.to_text()}"
    assert found.failed == COUNT
    assert len(found.calls) >= 6, "the choice met few kinds of calls"
