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

    Lines are looked for where they were put, else anywhere, if they stand there once only.

    Args:
        text: the text of now, perhaps edited since.
        runs: of the edit.
    """
    lines = _lines(text)
    for run in reversed(runs):
        new = _lines(run.new)
        place = _place(lines, run.at, new)
        if place is None:
            return None
        lines[place : place + len(new)] = _lines(run.old)
    return "".join(lines)


def _place(lines: list[str], at: int, new: list[str]) -> int | None:
    if lines[at : at + len(new)] == new and (new or at <= len(lines)):
        return at
    found = [start for start in range(len(lines) - len(new) + 1) if lines[start : start + len(new)] == new]
    return found[0] if new and len(found) == 1 else None
