"""Go through the steps and tell what happens."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from broker.demo.issuer import requests_seen
from broker.demo.steps import STEPS, Step
from broker.demo.world import Failed, Programs, World
from broker.sandbox.log import LogEntry, log_line

__all__ = ["perform", "run_demo"]


def run_demo(programs: Programs, tell: Callable[[str], None]) -> None:
    """Perform all steps in a directory that is thrown away.

    Args:
        programs: what is shown.
        tell: says one line.

    Raises:
        Failed: a step did not come out; the message names it.
    """
    with tempfile.TemporaryDirectory(prefix="codex-broker-demo-") as root:
        perform(World(root=Path(root), programs=programs), tell)


def perform(world: World, tell: Callable[[str], None], steps: Sequence[Step] = STEPS) -> None:
    """Perform the steps one by one, then show the issuer's log.

    Raises:
        Failed: a step did not come out; the message names it, and nothing after it was tried.
    """
    try:
        for number, step in enumerate(steps, 1):
            tell(f"{number:>2}. {step.plan}")
            tell(f"    {_act(step, world)}.")
        tell("The issuer's own log of every request, by fingerprint of the token:")
        for entry in requests_seen(world):
            tell(log_line(LogEntry(**entry)))
        tell("Nothing was lost.")
    finally:
        world.close()


def _act(step: Step, world: World) -> str:
    try:
        return step.act(world)
    except Failed as failure:
        why = failure.message
    except (OSError, ValueError, LookupError) as error:
        # What a program printed or left behind was not what it should be.
        why = f"unexpected {type(error).__name__}"
    raise Failed(
        f"the demo failed at step {step.name}: {why}",
        hint="codex-broker check tells whether this machine is in order",
    )
