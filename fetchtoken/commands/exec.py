"""``exec``: become another program, with the token in its environment."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from shutil import which

from fetchtoken.domain.errors import ConfigError
from fetchtoken.domain.token import Token
from fetchtoken.output import environment, render
from fetchtoken.settings.keys import ALIASES, SECRET_KEYS

__all__ = ["become", "environment_for", "find_program"]

_OURS = frozenset(SECRET_KEYS | {name for name, key in ALIASES.items() if key in SECRET_KEYS})
_IGNORED_BY_PYTHON = ("SIGPIPE", "SIGXFSZ")


def find_program(name: str, environ: Mapping[str, str], cwd: str) -> str:
    """Return the path of a program: looked for before a token is, which may cost an exchange.

    Raises:
        ConfigError: there is none that could be run.
    """
    path = which(name, path=environ.get("PATH", os.defpath)) if name else None
    if path is None:
        raise ConfigError(
            f"exec: {name[:80]!r} is no program that can be run",
            hint=f"look for it in PATH, or give its path from {cwd or 'a directory that exists'}",
        )
    return path


def environment_for(program: str, environ: Mapping[str, str], token: Token, now_s: float) -> dict[str, str]:
    """Return the environment of a program: the caller's, with the token, without our own secrets.

    Args:
        program: its path; ``opencode`` gets ``OPENCODE_AUTH_CONTENT`` too, which for anybody else
            would hide the logins that its own file holds.
        environ: the caller's.
        token: the token.
        now_s: epoch seconds.

    Raises:
        Malformed: the token cannot be said so.
    """
    kept = {key: value for key, value in environ.items() if key.upper() not in _OURS}
    more = environment(token)
    if os.path.basename(program) == "opencode":
        more["OPENCODE_AUTH_CONTENT"] = render(token, "opencode", "bash", now_s).strip()
    return {**kept, **more}


def become(program: str, argv: list[str], environ: Mapping[str, str]) -> None:
    """Replace this process; returns only by raising.

    Raises:
        ConfigError: the system does not run that file.
    """
    for name in _IGNORED_BY_PYTHON:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        os.execve(program, argv, dict(environ))  # noqa: S606 - what the command is for; no shell is wanted
    except OSError as error:
        raise ConfigError(
            f"exec: {program} cannot be run: {error.strerror}", hint=f"ls -l {program}"
        ) from None
