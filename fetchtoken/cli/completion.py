"""What the shell offers where an account's name is asked for."""

from __future__ import annotations

import typer

from fetchtoken.cli.caller import Caller
from fetchtoken.codex.accounts import account_names
from fetchtoken.domain.errors import FetchTokenError
from fetchtoken.settings import load

__all__ = ["accounts"]


def accounts(context: typer.Context, incomplete: str) -> list[str]:
    """Return the local accounts whose names begin so; none where the settings are wrong."""
    caller = context.find_object(Caller)
    if caller is None:
        return []
    try:
        settings = load(caller.options, caller.environ, caller.cwd, check_project=False)
    except FetchTokenError:
        return []
    return [name for name in account_names(settings.codex_home) if name.startswith(incomplete)]
