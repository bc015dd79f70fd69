"""The reliability table's rows that one command runs, each with its option and its larger figure.

To add one: write ``run_x(count, *, seed, tell)`` in a module of its own, and a line here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from tests.crash.harness.backups import run_backups
from tests.crash.harness.keys import run_key_rotations
from tests.crash.harness.lane import Target
from tests.crash.harness.local import run_local
from tests.crash.harness.run import run_kills

__all__ = ["ROWS", "Outcome", "Row"]


class Outcome(Protocol):
    """What a row came to; :class:`tests.crash.harness.figures.Figures` is one."""

    @property
    def holds(self) -> bool:
        """Whether the promise was kept."""

    def to_document(self) -> dict[str, Any]:
        """Return it as JSON values; ``what`` names it."""

    def to_text(self) -> str:
        """Return it as lines for people."""


class Run(Protocol):
    """How a row is run."""

    def __call__(self, count: int, /, *, seed: int, tell: Callable[[], None]) -> Outcome:
        """Run it so many times; ``seed`` decides every chance, ``tell`` is called after each time."""


@dataclass(frozen=True, slots=True)
class Row:
    """One option of ``python -m tests.crash``."""

    option: str
    """Without dashes."""
    number: int
    """In the reliability table."""
    full: int
    """The larger figure."""
    help: str
    """What is counted."""
    run: Run


def _kills(target: Target) -> Run:
    return lambda count, *, seed, tell: run_kills(target, count, seed=seed, tell=tell)


ROWS = (
    Row("kills", 1, 5000, "kills of the broker alone", _kills(Target.BROKER)),
    Row("both", 2, 2000, "kills of the broker and its exchanges together", _kills(Target.BOTH)),
    Row("exchange", 2, 1000, "kills of exchange processes alone", _kills(Target.EXCHANGE)),
    Row("local", 3, 1000, "kills of codex-fetchtoken and its exchange process", run_local),
    Row("key-rotations", 11, 100, "changes of the master key begun, broker killed", run_key_rotations),
    Row("backups", 11, 100, "backups under load, each restored beside the original", run_backups),
)
