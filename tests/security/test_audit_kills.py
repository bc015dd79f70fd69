"""A kill is no tampering: between commit and head, and at each step of beginning a chain."""

import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from broker.seal.box import Seal
from broker.seal.keyfile import create_keyring
from tests.support.records import store_url
from tests.support.trails import checked

KILLS = 8


@pytest.fixture
def ring(tmp_path):
    return create_keyring(tmp_path / "master.key")


def _start(directory, first, *point):
    words = [store_url(directory), str(directory / "master.key"), str(first), *point]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.security.auditor", *words],
        stdout=subprocess.PIPE,
        text=True,
    )


def _held(directory):
    with closing(sqlite3.connect(directory / "broker.db")) as connection:
        return {detail for (detail,) in connection.execute("SELECT detail FROM audit")}


def test_kills_at_random_instants_leave_one_whole_chain(tmp_path, ring):
    """Killed again and again, one home keeps one chain, every acknowledged record, and its peace."""
    chance = random.Random(1)
    said = set()
    for life in range(KILLS):
        with _start(tmp_path, life * 1_000_000) as auditor:
            said |= {auditor.stdout.readline().strip() for _ in range(chance.randint(1, 400))}
            auditor.send_signal(signal.SIGKILL)
            said |= set(auditor.stdout.read().split())
        found = checked(tmp_path, Seal(ring))
        assert found.findings == []
        assert len(found.chains) == 1
        assert said <= _held(tmp_path)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "step", ["begin 1", "take 1", "advance 1", "advance 2", "advance 25", "ensure 1", "ensure 9"]
)
def test_a_death_at_each_step_is_no_false_alarm(tmp_path, ring, when, step):
    """Whichever step a process dies at, the next one goes on with one whole chain."""
    with _start(tmp_path, 0, f"{when} {step}") as auditor:
        said = set(auditor.stdout.read().split())
    assert auditor.returncode == 137
    for _ in range(2):
        found = checked(tmp_path, Seal(ring))
        assert found.findings == []
        assert len(found.chains) == 1
    assert said <= _held(tmp_path)
    assert not (tmp_path / "audit.head.new").exists()
