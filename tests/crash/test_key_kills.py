"""Row 11 of the reliability table, its key part: changes of the master key under load, with kills."""

import secrets

import pytest

from tests.crash.harness.keys import run_key_rotations


@pytest.mark.reliability
@pytest.mark.timeout(600)
def test_a_change_of_key_under_load_loses_nothing_to_kills():
    """Every box opens after every kill, no login is lost or in doubt, and no generation is sent again."""
    seed = secrets.randbelow(2**32)

    figures = run_key_rotations(10, seed=seed)

    assert figures.holds, f"seed {seed}\n{figures.to_text()}"
    assert (figures.losses, figures.doubts) == ([], 0), f"seed {seed}\n{figures.to_text()}"
    assert figures.changes >= 2
    assert figures.rotations >= figures.kills
