"""The state table as a Mermaid diagram and as a Markdown table, made from the data. Pure."""

from broker.domain.account import REPLAY, TABLE, Event, State, Step

__all__ = ["diagram", "section", "table"]

_MARKED = "<!-- made from the table by broker.domain.diagram: begin -->", "<!-- end -->"


def diagram() -> str:
    """Return the machine as a Mermaid state diagram; events that change nothing are left out."""
    ways: dict[tuple[State, State], list[str]] = {}
    for state, cells in TABLE.items():
        for event, step in cells.items():
            if step.to is not state or step.new_login:
                ways.setdefault((state, step.to), []).append(_word(event))
    ways.setdefault((State.IN_DOUBT, REPLAY.to), []).append("due, when allowed")
    lines = ["stateDiagram-v2", f"    [*] --> {State.ACTIVE}"]
    lines += [f"    {start} --> {to}: {', '.join(events)}" for (start, to), events in ways.items()]
    return "\n".join(lines) + "\n"


def table() -> str:
    """Return the machine as a Markdown table; a dash is what cannot happen."""
    rows = [["from \\ event", *(_word(event) for event in Event)], ["---"] * (len(Event) + 1)]
    rows += [[f"`{state}`", *(_cell(state, event) for event in Event)] for state in State]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def section() -> str:
    """Return what documents hold between their marks, the marks included."""
    begin, end = _MARKED
    return f"{begin}\n\n```mermaid\n{diagram()}```\n\n{table()}\n{end}\n"


def _word(event: Event) -> str:
    return str(event).replace("_", " ")


def _cell(state: State, event: Event) -> str:
    step = TABLE[state].get(event)
    if step is None:
        return "\N{EN DASH}"
    words = ["stay" if step.to is state and not step.new_login else f"`{step.to}`"]
    if (state, event) == (State.IN_DOUBT, Event.DUE):
        words.append(f"or `{REPLAY.to}` when allowed")
    return ", ".join(words + _marks(step))


def _marks(step: Step) -> list[str]:
    marks = ["generation + 1"] if step.rotated else []
    marks += ["new login"] if step.new_login else []
    marks += ["lost"] if step.lost else []
    # Rotation and login begin anew, so that their replay is unused goes without saying.
    returned = step.replay_used is False and not (step.rotated or step.new_login)
    return marks + (["replay unused"] if returned else [])
