"""Row 3 of the reliability table: Ctrl-C and ``kill -9`` of ``codex-fetchtoken`` in mid-refresh."""

import secrets

import pytest

from tests.crash.harness.local import run_local

KILLS = 75
"""Of the command 50, of its exchange process 25; ``python -m tests.crash --local`` for more."""


@pytest.mark.timeout(600)
def test_killed_at_any_instant_nothing_is_lost_that_was_journaled():
    """A plain run afterwards prints a new token; what an answer was lost of is in doubt, and says so."""
    seed = secrets.randbelow(2**32)

    figures = run_local(KILLS, seed=seed)

    assert figures.holds, f"seed {seed}\n{figures.to_text()}"
    assert figures.kills == KILLS
    assert {loss.journal for loss in figures.losses} <= {"sent"}
    assert figures.rotations >= figures.kills * 3 / 4
    assert figures.in_flight >= figures.kills / 4
    assert figures.ends["exchange process: not sent"]
    assert figures.ends["exchange process: kept"]
