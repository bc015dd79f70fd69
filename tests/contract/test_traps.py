"""The traps of the Codex CLI as ``broker/README.md`` lists them, held against the tests that name them."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.traps import named_traps

README = Path(__file__).parents[2] / "broker" / "README.md"
ROW = re.compile(r"^\| (T\d+) \| (.+) \| (.+) \| (.+) \|$", re.MULTILINE)
TEST = re.compile(r"`([a-z_/]+)::(test_\w+)`")


class Trap(NamedTuple):
    """One row: what Codex does, what is done about it, and the tests that show it."""

    number: str
    does: str
    done: str
    tests: list[str]


TRAPS = [
    Trap(number, does, done, [f"tests/{module}.py::{name}" for module, name in TEST.findall(tests)])
    for number, does, done, tests in ROW.findall(README.read_text())
]


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """Test to numbers, for every test that is collected and names any."""
    return named_traps(tmp_path_factory.mktemp("traps") / "named.json")


def test_the_numbers_are_without_gaps():
    """T1, T2 and so on, each once and in order."""
    assert [trap.number for trap in TRAPS] == [f"T{number + 1}" for number in range(len(TRAPS))]
    assert len(TRAPS) > 1


def test_every_row_names_a_test_that_is_run_and_names_the_row(named):
    """What the table names is collected, and says by its marker which trap it shows."""
    wrong = [
        (trap.number, test)
        for trap in TRAPS
        for test in trap.tests or ["none"]
        if trap.number not in named.get(test, [])
    ]
    assert wrong == []


def test_every_marker_is_in_the_table(named):
    """A test that names a trap names a row."""
    numbers = {trap.number for trap in TRAPS}
    assert {test: marked for test, marked in named.items() if not set(marked) <= numbers} == {}
    assert all(named.values())


def test_every_trap_is_met_by_the_real_codex(named):
    """Each row has at least one test with the real binary, in every version that is there."""
    met = {number for test, marked in named.items() if test.startswith("tests/clients/") for number in marked}
    assert [trap.number for trap in TRAPS if trap.number not in met] == []
