"""Run one row: so many kills, spread over worlds that run side by side."""

import random
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.crash.harness.figures import Figures
from tests.crash.harness.lane import Lane, Target
from tests.crash.harness.world import World
from tests.support.issuer import start_issuer_process

__all__ = ["run_kills"]

_LANES = 2
"""One for each core of the machine that the figures are meant for."""

_ACCOUNTS = 4


def run_kills(
    target: Target, kills: int, *, seed: int, tell: Callable[[], None] = lambda: None, lanes: int = _LANES
) -> Figures:
    """Kill real processes and judge by the issuer's log.

    Args:
        target: who is killed.
        kills: how often, in all.
        seed: of every chance that is ours; the machine's scheduling is not.
        tell: called after each kill, from several threads.
        lanes: worlds that run side by side, each with its own broker and issuer.
    """
    figures = Figures(what=str(target))
    shares = [kills // lanes + (number < kills % lanes) for number in range(lanes)]
    with ThreadPoolExecutor(lanes) as pool:
        running = [
            pool.submit(_run_lane, target, share, f"{seed}/{target}/{number}", tell)
            for number, share in enumerate(shares)
            if share
        ]
        for lane in running:
            figures.add(lane.result())
    return figures


def _run_lane(target: Target, kills: int, seed: str, tell: Callable[[], None]) -> Figures:
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="kills-") as name:
        root = Path(name)
        with start_issuer_process(root) as (issuer, _):
            return Lane(World(root, issuer, rng, accounts=_ACCOUNTS), target, rng, tell).run(kills)
