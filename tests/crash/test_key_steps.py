"""A change of the master key that dies or fails at each of its steps: nothing is lost, and it can go on."""

import subprocess
import sys
from pathlib import Path

import pytest

from broker.seal.keyfile import load_keyring
from tests.crash.key_steps import CODE, STEPS
from tests.support.boxes import closed_boxes
from tests.support.broker import Broker
from tests.support.command import Ran
from tests.support.issuer import Issuer

pytestmark = pytest.mark.reliability

_ROOT = Path(__file__).parents[2]

WHERE = [f"{when} {name}" for name in STEPS for when in ("before", "after")]

BEGUN = WHERE[WHERE.index("after key file replaced") : WHERE.index("after accounts sealed anew")]
"""Where the new key is in the file and not all is sealed with it: the next run goes on with that key."""

RAISING = {
    "before key file replaced": "ENOSPC",
    "before key file durable": "EIO",
    "after key file durable": "EIO",
    "before old key out of the file": "ENOSPC",
    "before old key durably out": "EIO",
}
"""Where a disk can fail and the process lives on."""


@pytest.fixture
def home(broker: Broker, issuer: Issuer) -> Broker:
    """A home with two accounts."""
    assert broker.run("init").code == 0
    for name in ("work", "other"):
        file = broker.root / f"{name}.json"
        issuer.mint().write(file)
        assert broker.run("account", "import", str(file), "--sole-owner", "--name", name).code == 0
    return broker


def rotate(home: Broker, where: str, fault: str) -> Ran:
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.key_steps", where, fault],
        env={**home.environ, "PYTHONPATH": str(_ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def check_all_is_well(home: Broker, issuer: Issuer) -> None:
    """Every box opens, both accounts can be exchanged, one key is left, and no draft of a key file."""
    assert closed_boxes(home.home) == []
    (only,) = home.json("key", "list")
    assert (only["current"], only["boxes"]) == (True, 7)
    assert home.run("account", "refresh", "--all", "--force").code == 0
    assert [entry["decision"] for entry in issuer.exchanges()] == ["rotated"] * len(issuer.exchanges())
    assert [path.name for path in home.home.iterdir() if path.name.endswith(".tmp")] == []


@pytest.mark.parametrize("where", WHERE)
def test_a_change_that_dies_leaves_a_whole_home_and_is_finished_by_the_next(home, issuer, where):
    """After ``kill -9`` all opens and is exchanged as before; run again, the change comes to its end."""
    assert rotate(home, where, "kill").code == CODE
    assert closed_boxes(home.home) == []
    held = load_keyring(home.home / "master.key")
    assert home.run("account", "refresh", "work", "--force").code == 0
    assert closed_boxes(home.home) == []

    again = home.run("key", "rotate")

    assert again.code == 0, again
    finished = again.out.startswith(f"finished the rotation to key {held.current},")
    assert finished == (where in BEGUN), again.out
    check_all_is_well(home, issuer)


@pytest.mark.parametrize(("where", "fault"), RAISING.items())
def test_a_change_that_fails_goes_on_in_the_same_process(home, issuer, where, fault):
    """A disk that fails at a step ends the order with an error; the next order brings it to its end."""
    ran = rotate(home, where, fault)
    assert ran.code == 0, ran.err
    assert "master.key cannot be written: " in ran.err
    check_all_is_well(home, issuer)
