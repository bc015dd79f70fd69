"""The command without a subcommand: print one valid access token."""

from __future__ import annotations

from typing import Annotated

import typer

from fetchtoken import __version__
from fetchtoken.cli.caller import caller_of
from fetchtoken.cli.completion import accounts
from fetchtoken.domain.errors import ConfigError
from fetchtoken.options import FORMATS, SHELLS, Options
from fetchtoken.resolve import run

__all__ = ["register"]

_WITH_COMMANDS = ("source", "account", "min_valid", "cache_max_age", "profile", "verbose")
"""Options that mean something before a subcommand: they are settings."""

_RESOLVING = {"exec": ("force_refresh", "no_refresh", "no_cache", "timeout")}
"""Those that mean something besides, before a subcommand that gets a token."""

_SOURCES = ("local", "remote", "ssh", "local,remote", "remote,local", "remote,ssh", "ssh,local")


def _version(context: typer.Context, value: bool) -> None:  # noqa: FBT001 - Typer calls it so
    if value and not context.resilient_parsing:
        caller_of(context).print(f"codex-fetchtoken {__version__}")
        raise typer.Exit


def _sources(incomplete: str) -> list[str]:
    return [name for name in _SOURCES if name.startswith(incomplete)]


def _formats(incomplete: str) -> list[str]:
    return [name for name in FORMATS if name.startswith(incomplete)]


def _shells(incomplete: str) -> list[str]:
    return [name for name in SHELLS if name.startswith(incomplete)]


def root(  # noqa: PLR0913 - one parameter per option
    context: typer.Context,
    *,
    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            "-s",
            metavar="SOURCES",
            autocompletion=_sources,
            help="local, remote, ssh, or a comma list: the first that has one. [CODEX_TOKEN_SOURCE, local]",
        ),
    ] = None,
    account: Annotated[
        str | None,
        typer.Option(
            "--account",
            "-a",
            metavar="NAME",
            autocompletion=accounts,
            help="Which account. [CODEX_ACCOUNT, the source's default]",
        ),
    ] = None,
    format: Annotated[  # noqa: A002 - the option's name
        str | None,
        typer.Option(
            "--format", "-f", metavar="FORMAT", autocompletion=_formats, help=f"{', '.join(FORMATS)}. [token]"
        ),
    ] = None,
    shell: Annotated[
        str | None,
        typer.Option(
            "--shell",
            metavar="SHELL",
            autocompletion=_shells,
            help=f"With --format env: {', '.join(SHELLS)}. [bash]",
        ),
    ] = None,
    min_valid: Annotated[
        str | None,
        typer.Option(
            "--min-valid",
            metavar="SECONDS",
            help="The token must live that long, 0 to 864000. [CODEX_MIN_VALID, 600]",
        ),
    ] = None,
    cache_max_age: Annotated[
        str | None,
        typer.Option(
            "--cache-max-age",
            metavar="SECONDS",
            help="Print a younger copy without asking; 0 asks each time. [CODEX_CACHE_MAX_AGE, 300]",
        ),
    ] = None,
    force_refresh: Annotated[
        bool, typer.Option("--force-refresh", help="Exchange now, however fresh the token is.")
    ] = False,
    no_refresh: Annotated[bool, typer.Option("--no-refresh", help="Exchange nothing.")] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Neither use nor keep a cached copy.")] = False,
    profile: Annotated[
        str | None, typer.Option("--profile", metavar="NAME", help="Settings profile. [ACTIVE_PROFILE]")
    ] = None,
    timeout: Annotated[
        str | None, typer.Option("--timeout", metavar="SECONDS", help="For the whole command. [30]")
    ] = None,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Say where the token came from and why other sources failed."),
    ] = False,
    version: Annotated[  # noqa: ARG001 - its callback does the work
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Print the version.")
    ] = False,
) -> None:
    """Print one valid OpenAI Codex access token and a newline."""
    caller = caller_of(context)
    caller.options = options = Options(
        source=source,
        account=account,
        format=format,
        shell=shell,
        min_valid=min_valid,
        cache_max_age=cache_max_age,
        profile=profile,
        timeout=timeout,
        force_refresh=force_refresh,
        no_refresh=no_refresh,
        no_cache=no_cache,
        verbose=verbose,
    )
    if context.invoked_subcommand is None:
        run(options, caller.environ, caller.cwd, caller.stdout, caller.stderr, arm=caller.arm)
    else:
        _refuse_idle_options(options, context.invoked_subcommand)


def _refuse_idle_options(options: Options, command: str) -> None:
    for name in Options.__slots__:
        if name not in (*_WITH_COMMANDS, *_RESOLVING.get(command, ())) and getattr(options, name):
            option = "--" + name.replace("_", "-")
            raise ConfigError(f"{option} does nothing with {command}", hint=f"leave {option} out")


def register(app: typer.Typer) -> None:
    """Make it what runs without a subcommand."""
    app.callback(invoke_without_command=True)(root)
