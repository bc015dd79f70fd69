"""``join``."""

from __future__ import annotations

import socket
import sys
from typing import Annotated

import typer

from fetchtoken.cli.caller import Caller, caller_of
from fetchtoken.commands import join_report
from fetchtoken.commands.join import Enrolled, check_code
from fetchtoken.commands.join import join as enrol
from fetchtoken.domain.errors import ConfigError
from fetchtoken.domain.names import check_name
from fetchtoken.domain.secret import Secret

__all__ = ["register"]


def join(
    context: typer.Context,
    url: Annotated[str, typer.Argument(metavar="URL", help="The broker, as codex-broker invite printed it.")],
    *,
    code: Annotated[
        str, typer.Option("--code", metavar="CODE", help="The invite code; - reads it from standard input.")
    ] = "",
    ca_sha256: Annotated[
        str, typer.Option("--ca-sha256", metavar="HEX", help="Trust the certificate with this SHA-256.")
    ] = "",
    account: Annotated[
        str, typer.Option("--account", metavar="NAME", help="Ask for this account from now on.")
    ] = "",
) -> None:
    """Enrol this machine with a broker, by an invite code.

    Afterwards codex-fetchtoken prints the token of that broker. Without --code a
    terminal is asked. Stopped anywhere, the same command goes on.
    """
    caller = caller_of(context)
    settings = caller.settings()
    if account:
        check_name(account, "--account:")
    done = enrol(settings, url, _code(code), pin=ca_sha256, account=account, host=socket.gethostname())
    join_report.say_done(done, caller.stderr.note)
    for key in ("CODEX_REMOTE_URL", "CODEX_TOKEN_SOURCE"):
        caller.note_higher_tier(key, done.path)
    _try(caller, done)


def _try(caller: Caller, done: Enrolled) -> None:
    after = caller.settings()
    if after.origin("CODEX_REMOTE_API_KEY") == "environment":
        caller.stderr.note("CODEX_REMOTE_API_KEY from environment still wins")
    join_report.try_token(after, done, caller.stderr.note)
    join_report.say_local_login(after, caller.stderr.note)


def _code(given: str) -> Secret:
    """Return the code, from a terminal or standard input where it is not on the command line."""
    if given not in ("", "-"):
        return check_code(given)
    if sys.stdin is not None and sys.stdin.isatty():
        from getpass import getpass

        return check_code(getpass("invite code: ").strip())
    if given != "-":
        raise ConfigError(
            "there is no invite code, and no terminal to ask at",
            hint="--code -, with the code on standard input",
        )
    return check_code(_read_line())


def _read_line() -> str:
    """Return what standard input holds, whatever its bytes and the locale."""
    return sys.stdin.buffer.read(4096).decode("ascii", "replace").strip() if sys.stdin is not None else ""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(join)
