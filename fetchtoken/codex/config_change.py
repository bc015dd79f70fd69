"""What setup changed in ``config.toml``, and how that is taken back whatever was changed since; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fetchtoken.codex.text_runs import Run, runs_between, taken_back
from fetchtoken.codex.toml_text import Key, at, edited, parsed, with_keys
from fetchtoken.domain.errors import ConfigError

__all__ = ["ConfigChange", "changed", "restored"]


@dataclass(frozen=True)
class ConfigChange:
    """One edit of the file.

    Attributes:
        new: what was written, by key.
        old: what stood there; ``None`` for nothing.
        runs: the lines that it touched.
        made: there was no such file.
    """

    new: Mapping[Key, Any]
    old: Mapping[Key, Any]
    runs: tuple[Run, ...] = field(default=(), repr=False)
    made: bool = False


def changed(text: str, wanted: Mapping[Key, Any], name: str, *, made: bool) -> tuple[str, ConfigChange]:
    """Return the edited text and what undoes it; raises as :func:`edited`."""
    before = parsed(text, name)
    after = edited(text, wanted, name)
    old = {key: at(before, key) for key in wanted}
    return after, ConfigChange(dict(wanted), old, runs_between(text, after), made)


def restored(text: str, change: ConfigChange, name: str) -> tuple[str, list[Key]]:
    """Return the text without a change, and the keys that somebody else has changed since.

    Those are left alone. Where our lines stand as they were made they go and the former ones come
    back, to the byte; else by key.

    Raises:
        ConfigError: as :func:`edited`.
    """
    now = parsed(text, name)
    back = {key: change.old[key] for key, value in change.new.items() if at(now, key) == value}
    kept = [key for key in change.new if key not in back and at(now, key) not in (None, change.old[key])]
    if not back:
        return text, kept
    before = taken_back(text, change.runs)
    if before is not None and _says(before, with_keys(now, back, name), name):
        return before, kept
    return edited(text, back, name), kept


def _says(text: str, document: dict[str, Any], name: str) -> bool:
    """Tell whether a text says this; an empty table says nothing."""
    try:
        return bool(_bare(parsed(text, name)) == _bare(document))
    except ConfigError:
        return False


def _bare(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {key: _bare(item) for key, item in value.items()}
    return {key: item for key, item in inner.items() if item != {}}
