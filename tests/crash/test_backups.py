"""Row 11 of the reliability table, its first half: backups under load."""

import secrets

import pytest

from tests.crash.harness.backups import run_backups


@pytest.mark.reliability
@pytest.mark.timeout(600)
def test_backups_under_load_restore_whole_and_send_nothing():
    """Taken during rotations, killed or not: what is finished opens, and no generation is sent twice."""
    seed = secrets.randbelow(2**32)

    figures = run_backups(10, seed=seed)

    assert figures.holds, f"seed {seed}\n{figures.to_text()}"
    assert figures.restored >= 4
    assert figures.restored + figures.cut_short == figures.asked
    assert figures.books.rotations > figures.asked
    assert figures.reads > 0
