"""``config``: what is set, where, and by which project file."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from fetchtoken.cli.caller import Caller, caller_of
from fetchtoken.domain.errors import ConfigError, NotFound
from fetchtoken.domain.jsontext import dumps
from fetchtoken.output import printable
from fetchtoken.settings import Settings
from fetchtoken.settings.apikey import joined_file, origin_of
from fetchtoken.settings.edit import TIERS, init_user_file, known_key, set_value
from fetchtoken.settings.keys import SECRET_KEYS
from fetchtoken.settings.trust import check_project_files, trust, untrust

__all__ = ["register"]

config = typer.Typer(help="Show and change settings.")

KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="The setting, such as CODEX_ACCOUNT.")]
FileArgument = Annotated[str, typer.Argument(metavar="FILE", help="A settings file of the project.")]


@config.command()
def show(
    context: typer.Context, *, json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False
) -> None:
    """Print every value with its origin; secrets stay hidden."""
    caller = caller_of(context)
    settings = caller.settings(check_project=False)
    if (error := check_project_files(settings.cascade)) is not None:
        caller.stderr.note(error.message)
    if json:
        rows = {key: _json_row(settings, key) for key in settings.keys_set}
        caller.print(dumps(rows, indent=2))
        return
    lines = [f"{key}={settings.shown(key)}" for key in settings.keys_set]
    width = max(map(len, lines))
    origins = [printable(settings.origin(key)) for key in settings.keys_set]
    for line, origin in zip(lines, origins, strict=True):
        caller.print(f"{line:{width}}  # {origin}")


def _json_row(settings: Settings, key: str) -> dict[str, object]:
    hidden = key in SECRET_KEYS
    value = None if hidden else settings.shown(key)
    return {"value": value, "hidden": hidden, "origin": settings.origin(key)}


@config.command()
def get(context: typer.Context, key: KeyArgument) -> None:
    """Print one setting's value; of a secret only that it is set."""
    caller = caller_of(context)
    settings = caller.settings()
    name = known_key(key)
    if not settings.origin(name):
        raise NotFound(f"{name} is not set", hint=f"codex-fetchtoken config set {name} VALUE")
    caller.print(settings.shown(name))


@config.command("set")
def set_(
    context: typer.Context,
    key: KeyArgument,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="A - reads it from standard input.")],
    *,
    tier: Annotated[str, typer.Option("--tier", metavar="TIER", help="user or project.")] = "user",
) -> None:
    """Write one setting; an empty VALUE takes it out. Prints the file's path."""
    caller = caller_of(context)
    if tier not in TIERS:
        raise ConfigError(f"--tier: {tier[:80]!r} is not one", hint=f"use {' or '.join(TIERS)}")
    name = known_key(key)
    path = set_value(caller.files(), name, _value(name, value), tier)
    caller.print(path)
    caller.note_higher_tier(name, path)
    _note_joined(caller, name)


def _value(key: str, value: str) -> str:
    """Return the value, from standard input where it is ``-``: everybody can see a command line."""
    if value != "-":
        if key in SECRET_KEYS and value:
            raise ConfigError(
                f"a secret does not belong on a command line: {key}",
                hint=f"codex-fetchtoken config set {key} - < FILE",
            )
        return value.strip()
    if sys.stdin is not None and sys.stdin.isatty():
        from getpass import getpass

        return getpass(f"{key}: ").strip()
    return sys.stdin.read().strip() if sys.stdin is not None else ""


def _note_joined(caller: Caller, key: str) -> None:
    """Say so when a key was written for a broker that has one from ``join``, which goes first."""
    if not key.startswith("CODEX_REMOTE_API_KEY"):
        return
    cascade = caller.files()
    entry = cascade.entries().get("CODEX_REMOTE_URL")
    if entry is None:
        return
    origin = origin_of(entry.text)
    path = joined_file(cascade.user, origin)
    if os.path.exists(path):
        caller.stderr.note(f"the key of {origin} from join, {path}, still wins")


@config.command()
def init(context: typer.Context) -> None:
    """Make the user's settings file, every key commented out. Prints its path."""
    caller = caller_of(context)
    path, new = init_user_file(caller.files())
    if not new:
        caller.stderr.note("the file is there already; nothing was changed")
    caller.print(path)


@config.command("trust")
def trust_(context: typer.Context, file: FileArgument) -> None:
    """Let a project file set every key, until it changes. Read it first. Prints its path."""
    caller = caller_of(context)
    caller.print(trust(caller.files(), os.path.join(caller.cwd, file)))


@config.command("untrust")
def untrust_(context: typer.Context, file: FileArgument) -> None:
    """Trust a project file no longer. Prints its path."""
    caller = caller_of(context)
    caller.print(untrust(caller.files(), os.path.join(caller.cwd, file)))


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(config, name="config")
