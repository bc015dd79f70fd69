"""What a method returned from is there after kill -9."""

import asyncio
import random
import signal
import subprocess
import sys

import pytest

from broker.domain.account import State
from broker.seal.box import Seal
from broker.seal.keyfile import create_keyring
from broker.store.store import Store
from fetchtoken.domain.secret import Secret


async def _account(url, ring):
    store = await Store.open(url, Seal(ring))
    [account] = (await store.snapshot()).accounts
    await store.close()
    return account


@pytest.mark.parametrize("seed", range(6))
def test_kill_after_return_loses_nothing(tmp_path, url, seed):
    """Killed at a random step, the store holds every generation that was said to be kept."""
    ring = create_keyring(tmp_path / "master.key")
    steps = random.Random(seed).randint(1, 25)
    with subprocess.Popen(
        [sys.executable, "-m", "tests.unit.store.rotator", url, str(tmp_path / "master.key")],
        stdout=subprocess.PIPE,
        text=True,
    ) as rotator:
        said = [rotator.stdout.readline().split() for _ in range(steps)]
        rotator.send_signal(signal.SIGKILL)
        said += [line.split() for line in rotator.stdout.read().splitlines()]
    kept = max((int(word) for what, word in said if what == "kept"), default=0)
    account = asyncio.run(_account(url, ring))
    # At most one step may have been taken that there was no time to say.
    assert kept <= account.generation <= kept + 1
    assert account.refresh_token == Secret(f"rt-{account.generation}")
    if said[-1][0] == "armed" and account.generation == kept:
        assert (account.state, account.attempt_id) == (State.REFRESHING, said[-1][1])
