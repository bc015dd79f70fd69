"""Records as aligned text. Pure."""

from collections.abc import Iterable, Iterator, Mapping

__all__ = ["cell", "pair_lines", "table_lines"]


def table_lines(rows: Iterable[Mapping[str, object]], columns: Mapping[str, str]) -> Iterator[str]:
    """Return rows as lines below their headings.

    Args:
        rows: what to show.
        columns: heading for each key, in order.
    """
    cells = [list(columns.values()), *([cell(row.get(key)) for key in columns] for row in rows)]
    widths = [max(len(line[index]) for line in cells) for index in range(len(columns))]
    for line in cells:
        yield "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()


def pair_lines(document: Mapping[str, object]) -> Iterator[str]:
    """Return one record as ``key: value`` lines."""
    width = max(len(key) for key in document) + 2
    for key, item in document.items():
        yield f"{key + ':':<{width}}{cell(item)}"


def cell(item: object) -> str:
    """Return one value as people read it."""
    if item is None or item == "":
        return "-"
    if isinstance(item, bool):
        return "yes" if item else "no"
    if isinstance(item, Iterable) and not isinstance(item, str):
        return ",".join(str(part) for part in item) or "-"
    return str(item)
