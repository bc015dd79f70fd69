"""Keys of a TOML text set and taken out, with every other byte of it left as it is.

tomlkit keeps comments, order and white space. What it made is read again by the standard library's
parser: a text that says anything else than what was asked for is not given out.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from fetchtoken.domain.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Key", "at", "edited", "parsed", "with_keys"]

Key = tuple[str, ...]
"""A key, with those of the tables that it is in before it."""

_BOM = "\ufeff"


def parsed(text: str, name: str) -> dict[str, Any]:
    """Return what a text says.

    Args:
        text: the file's content.
        name: its path, for the message.

    Raises:
        ConfigError: it is not TOML.
    """
    import tomllib

    try:
        return tomllib.loads(text.removeprefix(_BOM), parse_float=_Number)
    except ValueError:
        raise ConfigError(
            f"{name} is not TOML, so Codex cannot read it either", hint=f"correct {name}"
        ) from None


class _Number(float):
    """A number that equals itself, ``nan`` included."""

    def __eq__(self, other: object) -> bool:
        return float.__eq__(self, other) is True or (self != self and other != other)  # noqa: PLR0124

    __hash__ = float.__hash__


def at(document: Mapping[str, Any], key: Key) -> Any:
    """Return the value of a key, or ``None`` where there is none."""
    value: Any = document
    for part in key:
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def edited(text: str, wanted: Mapping[Key, Any], name: str) -> str:
    """Return a text with keys set anew; ``None`` takes one out, and a table that is empty after that.

    Args:
        text: the file's content, whatever its line ends, with or without a byte order mark.
        wanted: plain values by key.
        name: the file's path, for the message.

    Raises:
        ConfigError: it is not TOML, or cannot be edited without a change elsewhere.
    """
    before = parsed(text, name)
    changes = {key: value for key, value in wanted.items() if at(before, key) != value}
    if not changes:
        return text
    expected = with_keys(before, changes, name)
    for result in _attempts(text, changes):
        try:
            if parsed(result, name) == expected:
                return result
        except ConfigError:
            continue
    keys = ", ".join(".".join(key) for key in changes)
    raise ConfigError(
        f"{name}: {keys} cannot be set without changing other lines",
        hint=f"write the tables in {name} under headers of their own",
    )


def with_keys(document: Mapping[str, Any], wanted: Mapping[Key, Any], name: str) -> dict[str, Any]:
    """Return what a text would say with keys set anew; arguments and errors as for :func:`edited`."""
    result: dict[str, Any] = deepcopy(dict(document))
    for key, value in wanted.items():
        _put(result, key, value, name)
    return result


def _put(table: Any, key: Key, value: Any, name: str) -> None:
    first, *rest = key
    if not isinstance(table, dict):
        raise ConfigError(f"{name}: {first} cannot be set in what is no table", hint=f"correct {name}")
    if not rest:
        if value is None:
            table.pop(first, None)
        else:
            table[first] = value
        return
    inner = table.setdefault(first, {})
    _put(inner, tuple(rest), value, name)
    if value is None and not inner:
        del table[first]


def _attempts(text: str, changes: Mapping[Key, Any]) -> Iterator[str]:
    """Yield what tomlkit makes of a text: with tables under headers of their own, then in one line."""
    mark, body = (_BOM, text[1:]) if text.startswith(_BOM) else ("", text)
    crlf = "\r\n" in body and body.count("\r\n") == body.count("\n")
    if crlf:
        body = body.replace("\r\n", "\n")
    if not body.endswith("\n"):
        body += "\n"  # tomlkit would put some keys behind the last one
    for inline in (False, True):
        try:
            result = _made(body, changes, inline=inline)
        except Exception:  # noqa: BLE001, S112 - what a library cannot do with a file is no bug of ours
            continue
        yield mark + (result.replace("\n", "\r\n") if crlf else result)


def _made(body: str, changes: Mapping[Key, Any], *, inline: bool) -> str:
    import tomlkit

    document = tomlkit.parse(body)
    if tomlkit.dumps(document) != body:
        return ""
    for key, value in changes.items():
        _set(document, key, value, inline=inline)
    return tomlkit.dumps(document)


def _set(holder: Any, key: Key, value: Any, *, inline: bool) -> None:
    import tomlkit
    from tomlkit.items import InlineTable

    first, *rest = key
    inline = inline or isinstance(holder, InlineTable)
    if not rest:
        if value is None:
            del holder[first]
        else:
            holder[first] = _inline(value) if inline else tomlkit.item(value)
        return
    if first not in holder:
        holder[first] = tomlkit.table(is_super_table=True)
    _set(holder[first], tuple(rest), value, inline=inline)
    if value is None and not holder[first]:
        del holder[first]


def _inline(value: Any) -> Any:
    import tomlkit

    if not isinstance(value, dict):
        return tomlkit.item(value)
    table = tomlkit.inline_table()
    for key, inner in value.items():
        table[key] = _inline(inner)
    return table
