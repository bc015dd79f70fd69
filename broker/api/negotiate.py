"""Reading ``Accept`` and ``If-None-Match`` (RFC 9110 §12.5.1 and §13.1.2). Pure."""

import re

__all__ = ["etag_matches", "wants_text"]

_ETAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_RANGES = {
    "text/plain": (True, 3),
    "text/*": (True, 2),
    "*/*": (None, 1),
    "application/*": (False, 2),
    "application/json": (False, 3),
}
"""What each range is about (text, JSON or both) and how specific it is."""


def wants_text(accept: str | None) -> bool:
    """Tell whether a caller prefers ``text/plain`` to ``application/json``; JSON wins a draw.

    Args:
        accept: all ``Accept`` headers joined by commas, or ``None``.
    """
    if accept is None or "text/" not in accept.lower():
        return False
    best: dict[bool, tuple[int, float]] = {True: (0, 0.0), False: (0, 0.0)}
    for part in accept.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        about, specific = _RANGES.get(name, (None, 0))
        for kind in (True, False) if about is None else (about,):
            if specific > best[kind][0]:
                best[kind] = (specific, _quality(parameters))
    return best[True][1] > best[False][1]


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                quality = float(value)
            except ValueError:
                return 0.0
            return quality if 0 <= quality <= 1 else 0.0
    return 1.0


def etag_matches(header: str | None, etag: str) -> bool:
    """Tell whether ``If-None-Match`` names the entity tag; compared weakly, as it must be.

    Args:
        header: all ``If-None-Match`` headers joined by commas, or ``None``.
        etag: the current tag, with its quotes, weak or strong.
    """
    if header is None:
        return False
    if header in (etag, "*"):
        return True
    return etag.removeprefix("W/") in _ETAG.findall(header)
