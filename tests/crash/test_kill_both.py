"""Row 2 of the reliability table: ``kill -9`` of broker and exchange process, and of the latter alone."""

import secrets

import pytest

from tests.crash.harness.lane import Target
from tests.crash.harness.run import run_kills


@pytest.mark.reliability
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("target", "kills"), [(Target.BOTH, 100), (Target.EXCHANGE, 50)], ids=str)
def test_killing_exchange_processes_loses_nothing_that_was_journaled(target, kills):
    """Each loss has its entry in the issuer's log and no answer in its journal; no token goes out twice."""
    seed = secrets.randbelow(2**32)

    figures = run_kills(target, kills, seed=seed)

    assert figures.holds, f"seed {seed}\n{figures.to_text()}"
    assert figures.in_flight >= figures.kills / 4
