"""Row 1 of the reliability table: ``kill -9`` of the broker at random instants of refreshing."""

import secrets

import pytest

from tests.crash.harness.lane import Target
from tests.crash.harness.run import run_kills


@pytest.mark.reliability
@pytest.mark.timeout(1800)
def test_killing_the_broker_loses_no_login_and_leaves_none_in_doubt():
    """After 200 kills every account holds the newest refresh token, and none was sent twice."""
    seed = secrets.randbelow(2**32)

    figures = run_kills(Target.BROKER, 200, seed=seed)

    assert figures.holds, f"seed {seed}\n{figures.to_text()}"
    assert (figures.losses, figures.doubts) == ([], 0), f"seed {seed}\n{figures.to_text()}"
    assert figures.rotations >= figures.kills / 2
    assert figures.in_flight >= figures.kills / 4
