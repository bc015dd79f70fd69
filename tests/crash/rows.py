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
from tests.crash.harness.suite import Suite, run_suite
from tests.crash.injections import run_injections
from tests.model.survey import Survey, survey

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
    """The larger figure; 0 where there is none, as every run is the whole table."""
    help: str
    """What is counted."""
    run: Run


def _kills(target: Target) -> Run:
    return lambda count, *, seed, tell: run_kills(target, count, seed=seed, tell=tell)


def _cells(what: str, *files: str) -> Run:
    return lambda _count, *, seed, tell: run_suite(what, *files, tell=tell)  # noqa: ARG005 - nothing is chosen


def _model(_count: int, /, *, seed: int, tell: Callable[[], None]) -> Survey:  # noqa: ARG001 - nothing is chosen
    return survey(_ANY_DEPTH, large=True, tell=tell)


def _lives(count: int, /, *, seed: int, tell: Callable[[], None]) -> Suite:
    what = f"random lives beside a reference, {count} of them"
    words = [f"--hypothesis-seed={seed}"]
    environ = {"ROTATION_EXAMPLES": str(count)}
    return run_suite(what, "property/test_rotation_stateful.py", tell=tell, words=words, environ=environ)


_ANY_DEPTH = 1000
_FAILPOINTS = _cells("fail points", "crash/test_failpoints.py")
_CALLERS = _cells("callers at once", "crash/test_callers.py")
_ISSUER = _cells(
    "answers of the issuer",
    "crash/test_issuer_faults_broker.py",
    "crash/test_issuer_faults_local.py",
    "crash/test_issuer_network.py",
)
_OUTAGES = _cells("outages", "crash/test_outages.py")

ROWS = (
    Row("kills", 1, 5000, "kills of the broker alone", _kills(Target.BROKER)),
    Row("both", 2, 2000, "kills of the broker and its exchanges together", _kills(Target.BOTH)),
    Row("exchange", 2, 1000, "kills of exchange processes alone", _kills(Target.EXCHANGE)),
    Row("local", 3, 1000, "kills of codex-fetchtoken and its exchange process", run_local),
    Row("failpoints", 4, 0, "each step of an exchange, failing in each way", _FAILPOINTS),
    Row("injections", 5, 600, "system calls that fail", run_injections),
    Row("model", 7, 0, "every state of the protocol, and the mutants of it", _model),
    Row("lives", 8, 2000, "random lives of an account beside a reference", _lives),
    Row("callers", 9, 0, "five hundred callers at once", _CALLERS),
    Row("issuer", 10, 0, "each answer of the issuer", _ISSUER),
    Row("key-rotations", 11, 100, "changes of the master key begun, broker killed", run_key_rotations),
    Row("backups", 11, 100, "backups under load, each restored beside the original", run_backups),
    Row("outages", 13, 0, "issuer or broker away for long", _OUTAGES),
)
