"""The account machine against the table as it is written down."""

import pytest

from broker.domain.account import TABLE, Event, ImpossibleEventError, State, Step, step

WRITTEN = """
event          | active     | refreshing     | in_doubt   | replaying           | login_required
due            | refreshing | refreshing     | in_doubt   | replaying           | login_required
not_sent       | -          | active         | -          | in_doubt unused     | -
tokens         | -          | active g+1     | -          | active g+1          | -
refused        | -          | login_required | -          | login_required lost | -
try_later      | -          | active         | -          | in_doubt unused     | -
unknown        | -          | in_doubt       | -          | in_doubt            | -
owner_gone     | -          | in_doubt       | -          | in_doubt            | -
journal_answer | -          | active g+1     | active g+1 | active g+1          | active g+1
login_done     | active new | active new     | active new | active new          | active new
"""


def _cells():
    header, *rows = [[cell.strip() for cell in line.split("|")] for line in WRITTEN.strip().splitlines()]
    for event, *cells in rows:
        for state, cell in zip(header[1:], cells, strict=True):
            yield pytest.param(State(state), Event(event), cell, id=f"{state}-{event}")


CELLS = list(_cells())


@pytest.mark.parametrize(("state", "event", "cell"), CELLS)
def test_cell(state, event, cell):
    """Each cell leads where the table says, and a dash raises."""
    if cell == "-":
        with pytest.raises(ImpossibleEventError, match=f"{event} cannot happen"):
            step(state, event)
        return
    to, *marks = cell.split()
    found = step(state, event)
    assert found.to == to
    assert found.rotated == ("g+1" in marks)
    assert found.new_login == ("new" in marks)
    assert found.lost == ("lost" in marks)
    if found.rotated or found.new_login or "unused" in marks:
        assert found.replay_used is False
    else:
        assert found.replay_used is None


def test_every_cell_has_a_case():
    """The written table covers each state and each event, and the code knows no others."""
    assert {(case.values[0], case.values[1]) for case in CELLS} == {(s, e) for s in State for e in Event}
    assert set(TABLE) == set(State)


def test_due_in_doubt_replays_when_allowed():
    """The one conditional cell: a replay that is allowed uses up the one that there is."""
    assert step(State.IN_DOUBT, Event.DUE, replay_allowed=True) == Step(to=State.REPLAYING, replay_used=True)


@pytest.mark.parametrize("state", [state for state in State if state is not State.IN_DOUBT])
def test_replay_permission_matters_only_in_doubt(state):
    """Permission to replay changes nothing in any other state."""
    assert step(state, Event.DUE, replay_allowed=True) == step(state, Event.DUE)
