"""``exec``."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from fetchtoken.cli.caller import caller_of
from fetchtoken.commands.exec import become, environment_for, find_program
from fetchtoken.resolve import obtain

__all__ = ["register"]


def exec_(
    context: typer.Context,
    words: Annotated[list[str], typer.Argument(metavar="CMD", help="The program and its arguments.")],
) -> None:
    """Run a program with a valid token in its environment.

    It takes the place of this command and finds OPENAI_CODEX_ACCESS_TOKEN, OPENAI_CODEX_ACCOUNT_ID and
    OPENAI_CODEX_EXPIRES_AT; opencode finds OPENCODE_AUTH_CONTENT, too.
    """
    caller = caller_of(context)
    program = find_program(words[0], caller.environ, caller.cwd)
    token = obtain(caller.options, caller.environ, caller.cwd, caller.stderr, arm=caller.arm)
    environ = environment_for(program, caller.environ, token, time.time())
    if caller.arm is not None:
        caller.arm(0, caller.stderr)  # alarms outlive execve(2)
    become(program, words, environ)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("exec", context_settings={"allow_interspersed_args": False})(exec_)
