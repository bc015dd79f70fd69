"""The documents show the machine that runs."""

from pathlib import Path

from broker.domain.account import TABLE, Event, State
from broker.domain.diagram import diagram, section, table

README = Path(__file__).parents[3] / "broker" / "README.md"


def test_the_readme_holds_what_the_table_makes():
    """Diagram and table in the broker's README are made from the data, to the letter."""
    made = section()
    assert made in README.read_text(), f"put this into {README}:\n{made}"


def test_every_cell_of_the_table_is_shown():
    """The Markdown table has a dash exactly where an event cannot happen."""
    header, _, *rows = [line.strip("| ").split(" | ") for line in table().splitlines()]
    assert header[1:] == [str(event).replace("_", " ") for event in Event]
    assert [row[0] for row in rows] == [f"`{state}`" for state in State]
    for state, row in zip(State, rows, strict=True):
        missing = [event for event, cell in zip(Event, row[1:], strict=True) if cell == "\N{EN DASH}"]
        assert missing == [event for event in Event if event not in TABLE[state]]


def test_every_change_of_state_is_drawn():
    """An arrow for each pair of states that an event leads between, the replay's included."""
    arrows = {tuple(line.strip().split(": ")[0].split(" --> ")) for line in diagram().splitlines()[1:]}
    expected = {
        (str(s), str(step.to)) for s, cells in TABLE.items() for step in cells.values() if step.to != s
    }
    assert expected | {("in_doubt", "replaying")} <= arrows
