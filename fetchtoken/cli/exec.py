"""``exec``."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from fetchtoken.cli.caller import caller_of
from fetchtoken.commands.exec import become, environment_for, find_program
from fetchtoken.commands.steered import steer
from fetchtoken.resolve import obtain
from fetchtoken.settings import load

__all__ = ["register"]


def exec_(
    context: typer.Context,
    words: Annotated[list[str], typer.Argument(metavar="CMD", help="The program and its arguments.")],
) -> None:
    """Run a program with a valid token in its environment.

    It takes the place of this command and finds OPENAI_CODEX_ACCESS_TOKEN, OPENAI_CODEX_ACCOUNT_ID and
    OPENAI_CODEX_EXPIRES_AT; opencode finds OPENCODE_AUTH_CONTENT, too.

    Codex is led to the broker with a machine credential of its own, so that a refresh and a logout go there
    (CODEX_REFRESH_TOKEN_URL_OVERRIDE and CODEX_REVOKE_TOKEN_URL_OVERRIDE); with a login at OpenAI it is not.
    """
    caller = caller_of(context)
    program = find_program(words[0], caller.environ, caller.cwd)
    token = obtain(caller.options, caller.environ, caller.cwd, caller.stderr, arm=caller.arm)
    settings = load(caller.options, caller.environ, caller.cwd)  # its notes were said by obtain
    environ = steer(settings, caller.environ, caller.cwd, caller.stderr.note, words=words)
    environ = environment_for(program, environ, token, time.time())
    if caller.arm is not None:
        caller.arm(0, caller.stderr)  # alarms outlive execve(2)
    become(program, words, environ)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("exec", context_settings={"allow_interspersed_args": False})(exec_)
