"""What ``python -m tests.crash`` offers is what the README says, and a row that cannot run does not hold."""

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.crash.__main__ import main
from tests.crash.harness.suite import Suite
from tests.crash.rows import ROWS

README = (Path(__file__).parents[3] / "broker" / "README.md").read_text()


def test_each_row_has_its_command_and_its_larger_figure_in_the_readme() -> None:
    """Row, figure and command of the table are those that run."""
    lines = re.findall(r"(?m)^\| (\d+) \|.*\| ([^|]*) \| `python -m tests\.crash --([a-z-]+)` \|$", README)
    told = [(int(row), option, figure.strip()) for row, figure, option in lines]
    offered = [(row.number, row.option, f"{row.full:,}" if row.full else "") for row in ROWS]
    assert [(row, option, figure if figure[:1].isdigit() else "") for row, option, figure in told] == offered


def test_a_command_without_a_row_is_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody starts hours of kills by leaving something out."""
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    assert "name a row, or --all" in capsys.readouterr().err


def test_a_row_without_cells_does_not_hold() -> None:
    """Where nothing was run nothing is shown."""
    assert not Suite("nothing").holds
    assert Suite("one", Counter({"a test": 1})).holds
    assert not Suite("one", Counter({"a test": 1}), ["a test: skipped"]).holds
