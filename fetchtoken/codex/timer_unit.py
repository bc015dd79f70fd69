"""The user units that keep Codex's file fresh, and the same for cron; pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

__all__ = ["TIMER", "crontab_line", "is_ours", "unit_texts"]

TIMER = "codex-fetchtoken-sync"
"""The units' name, without what kind each is."""

_EXEC = "ExecStart="
_ENVIRONMENT = "Environment="
_MARK = "# Written by codex-fetchtoken codex setup; codex-fetchtoken codex undo removes it."


def unit_texts(argv: list[str], environment: Mapping[str, str], *, stem: str = TIMER) -> dict[str, str]:
    """Return the units' texts by file name: those that the package has, with this machine's command in it.

    Args:
        argv: the absolute path of our command, and its words.
        environment: settings that the command would not find by itself; no secrets.
        stem: the units' name.
    """
    from pkgutil import get_data

    texts = {}
    for kind in ("service", "timer"):
        packaged = get_data("fetchtoken.codex", f"units/{TIMER}.{kind}") or b""
        texts[f"{stem}.{kind}"] = _for_machine(packaged.decode(), argv, environment)
    return texts


def is_ours(text: str) -> bool:
    """Tell whether setup wrote a unit file."""
    return text.startswith(_MARK)


def _for_machine(text: str, argv: list[str], environment: Mapping[str, str]) -> str:
    lines = []
    for line in text.splitlines():
        if line.startswith(_EXEC):
            lines += [_ENVIRONMENT + _quoted(f"{key}={value}") for key, value in environment.items()]
            words = [_quoted(argv[0]), *(_quoted(word, of_command=True) for word in argv[1:])]
            lines.append(_EXEC + " ".join(words))
        elif not line.startswith("# ") and (line or lines):  # they speak of other ways to install it
            lines.append(line)
    return "\n".join([_MARK, *lines]) + "\n"


def _quoted(word: str, *, of_command: bool = False) -> str:
    """Return a word as systemd reads it (systemd.syntax(7), systemd.service(5), systemd.unit(5))."""
    text = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    if of_command:
        text = text.replace("$", "$$")
    text = "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in text)
    plain = text.replace("/", "").replace("-", "").replace("_", "").replace(".", "").replace("=", "")
    return text if plain.isalnum() and plain.isascii() else f'"{text}"'


def crontab_line(argv: list[str], environment: Mapping[str, str]) -> str:
    """Return the line for ``crontab -e`` that does what the timer does.

    ``%`` ends a command, but after a backslash (crontab(5)): one of the path's own is kept from it by quotes.
    """
    words = [f"{key}={value}" for key, value in environment.items()]
    line = shlex.join([*(["env", *words] if words else []), *argv])
    return f"17 */3 * * *  {line}".replace("\\%", "\\''%").replace("%", "\\%")
