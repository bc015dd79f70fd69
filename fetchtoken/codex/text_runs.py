"""What one edit did to a text, line by line, so that it can be taken back after others."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Run", "runs_between", "taken_back"]


@dataclass(frozen=True)
class Run:
    """Some lines that took the place of others.

    Attributes:
        at: how many lines stand before them in the new text.
        old: the lines that went, line ends included; empty where none did.
        new: those that came.
    """

    at: int
    old: str
    new: str


def _lines(text: str) -> list[str]:
    """Split at line feeds alone, which stay."""
    lines = text.split("\n")
    kept = [line + "\n" for line in lines[:-1]]
    return kept + ([lines[-1]] if lines[-1] else [])


def runs_between(old: str, new: str) -> tuple[Run, ...]:
    """Return what makes the old text the new one."""
    from difflib import SequenceMatcher

    before, after = _lines(old), _lines(new)
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    return tuple(
        Run(start, "".join(before[old_start:old_end]), "".join(after[start:end]))
        for kind, old_start, old_end, start, end in matcher.get_opcodes()
        if kind != "equal"
    )


def taken_back(text: str, runs: tuple[Run, ...]) -> str | None:
    """Return a text without an edit, or ``None`` where its lines are not all there as they were made.

    Lines are looked for where they were put, else anywhere, if they stand there once only. What somebody
    wrote in between stays.

    Args:
        text: the text of now, perhaps edited since.
        runs: of the edit.
    """
    lines = _lines(text)
    for run in reversed(runs):
        new = _lines(run.new)
        place = _place(lines, run.at, new)
        ours = _apart(lines, new) if place is None else list(range(place, place + len(new)))
        if ours is None:
            return None
        for gone in reversed(ours):
            del lines[gone]
        start = ours[0] if ours else run.at
        lines[start:start] = _ended(_lines(run.old), run) if start < len(lines) else _lines(run.old)
    return "".join(lines)


def _ended(old: list[str], run: Run) -> list[str]:
    """Return lines of which the last, which had no end, stands before others now."""
    if not old or old[-1].endswith("\n"):
        return old
    return [*old[:-1], old[-1] + ("\r\n" if run.new.endswith("\r\n") else "\n")]


def _apart(lines: list[str], new: list[str]) -> list[int] | None:
    """Return where some lines stand in their order, with others between them; blank ones may be gone."""
    said = [number for number, line in enumerate(new) if line.strip()]
    if not said or lines.count(new[said[0]]) != 1:
        return None
    first = lines.index(new[said[0]])
    before = first - said[0]
    found = list(range(before, first)) if before >= 0 and lines[before:first] == new[: said[0]] else []
    at = first
    for line in new[said[0] :]:
        if line in lines[at:]:
            at = lines.index(line, at) + 1
            found.append(at - 1)
        elif line.strip():
            return None
    return found


def _place(lines: list[str], at: int, new: list[str]) -> int | None:
    if lines[at : at + len(new)] == new and (new or at <= len(lines)):
        return at
    found = [start for start in range(len(lines) - len(new) + 1) if lines[start : start + len(new)] == new]
    return found[0] if new and len(found) == 1 else None
