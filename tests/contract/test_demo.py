"""``codex-broker demo``: it tells a life to the end, and a broken step is named."""

import os
import subprocess
from pathlib import Path

import pytest

from broker.demo.steps import STEPS
from tests.support.sabotage import sabotaged

LIMIT_S = 200
"""A demo takes ten seconds on an idle machine."""

pytestmark = pytest.mark.timeout(LIMIT_S + 20)


def demo(tmp_path: Path, broken: str) -> subprocess.CompletedProcess[str]:
    """Run the demo with programs of which one does one thing wrong."""
    program = sabotaged(tmp_path, broken)
    environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "TMPDIR": str(tmp_path)}
    return subprocess.run(
        [program, "demo"],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def test_it_tells_a_life_to_the_end(tmp_path: Path) -> None:
    """Every step comes out, the issuer's log shows two exchanges, nothing is left behind."""
    ran = demo(tmp_path, "nothing")
    assert ran.returncode == 0, ran.stderr
    for step in STEPS:
        assert step.plan in ran.stdout
    lines = ran.stdout.splitlines()
    exchanges = [line for line in lines if "POST /oauth/token" in line]
    assert len(exchanges) == 2
    assert "generation=0 rotated → 200" in exchanges[0]
    assert "generation=1 rotated [hold] → 200" in exchanges[1]
    assert lines[-1] == "Nothing was lost."
    assert ran.stderr == ""
    assert not list(tmp_path.glob("codex-broker-demo-*"))


@pytest.mark.parametrize("broken", [step.name for step in STEPS])
def test_a_broken_step_is_named(tmp_path: Path, broken: str) -> None:
    """With one step broken, demo ends there: exit 1, and the step's name."""
    ran = demo(tmp_path, broken)
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"codex-broker: the demo failed at step {broken}: ")
    assert "\nhint: " in ran.stderr
    assert "Nothing was lost." not in ran.stdout
    assert not list(tmp_path.glob("codex-broker-demo-*"))
