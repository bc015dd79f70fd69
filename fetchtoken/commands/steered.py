"""``exec``: look into Codex's home, and lead the program to the broker where that is right."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from fetchtoken.codex.config import project_store, store_mode, words_store
from fetchtoken.codex.steering import Steering, steered_environment, steering, without_steering
from fetchtoken.domain.errors import ConfigError, FetchTokenError, NotFound
from fetchtoken.files.guard import read_private
from fetchtoken.formats.codex import AuthFile, parse_auth_file
from fetchtoken.net.url import parse_url
from fetchtoken.settings import Settings
from fetchtoken.settings.keys import STEERED_PATHS
from fetchtoken.sources.machine import broker_base

__all__ = ["steer"]

_TRUST = ("CODEX_CA_CERTIFICATE", "SSL_CERT_FILE")
"""Where Codex looks for further authorities."""


def steer(
    settings: Settings,
    environ: Mapping[str, str],
    cwd: str,
    note: Callable[[str], None],
    *,
    words: Sequence[str] = (),
) -> dict[str, str]:
    """Return the environment with Codex's endpoints at the broker, where that is right.

    Nothing that cannot be read or is wrong here keeps the program from running.

    Args:
        settings: which broker is configured, and whether it is asked.
        environ: the program's.
        cwd: its working directory.
        note: says why the program is not led to the broker that is asked.
        words: its name and arguments.
    """
    environ = without_steering(environ)
    broker = "" if settings.remote_url_origin == "built-in" else broker_base(settings.remote_url)
    asked = bool(broker) and "remote" in settings.sources
    home = os.path.join(cwd, environ.get("CODEX_HOME") or f"{settings.home}/.codex")
    found = _steering(home, cwd, words, broker, asked=asked)
    if found.note:
        note(found.note)
    if found.base:
        _note_authority(settings, environ, found.base, note)
    if found.holds:
        _note_variables(environ, found.base, note, away=True)
    elif broker and not found.base:
        _note_variables(environ, broker, note, away=False)
    return steered_environment(environ, found.base)


def _steering(home: str, cwd: str, words: Sequence[str], broker: str, *, asked: bool) -> Steering:
    path = f"{home}/auth.json"
    try:
        mode = words_store(home, words) or project_store(home, cwd) or store_mode(home)
        if mode != "file":
            why = f"Codex keeps its login in its store {mode}, which may be one at OpenAI"
            return Steering(note=f"{why}: it is not led to the broker" if asked else "")
        return steering(_read(path), broker=broker, asked=asked)
    except FetchTokenError as error:
        return Steering(note=f"{error.message}, so Codex is not led to the broker" if asked else "")


def _read(path: str) -> AuthFile | None:
    try:
        return parse_auth_file(read_private(path), path)
    except NotFound:
        return None


def _note_authority(
    settings: Settings, environ: Mapping[str, str], base: str, note: Callable[[str], None]
) -> None:
    """Say so where Codex will not trust a broker that this command was told to trust."""
    ours = settings.ca_file and parse_url(base).origin == parse_url(settings.remote_url).origin
    if ours and base.startswith("https:") and not any(environ.get(name) for name in _TRUST):
        note(f"Codex trusts {base} only with CODEX_CA_CERTIFICATE={settings.ca_file} in its environment")


def _note_variables(
    environ: Mapping[str, str], base: str, note: Callable[[str], None], *, away: bool
) -> None:
    """Say so where a variable of the user's leads Codex to a broker, or away from its own."""
    where = (
        "elsewhere than to the broker whose credential it has"
        if away
        else "to the broker, with a login at OpenAI, too"
    )
    ours = parse_url(base).origin if base else ""
    for name in STEERED_PATHS:
        with suppress(ConfigError):
            if (text := environ.get(name)) and (parse_url(text).origin != ours) is away:
                note(f"{name} leads Codex {where}: unset {name}")
