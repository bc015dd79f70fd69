"""Unit files, read as systemd does (systemd.syntax(7)), as far as ours go."""

from pathlib import Path

__all__ = ["UNITS", "read_unit"]

UNITS = Path(__file__).parents[2] / "systemd"


def read_unit(path: Path) -> dict[str, list[tuple[str, str]]]:
    """Return a unit's sections, each a list of keys and values in order."""
    sections: dict[str, list[tuple[str, str]]] = {}
    section: list[tuple[str, str]] = []
    for line in path.read_text().splitlines():
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), [])
        elif line and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            section.append((key, value))
    return sections
