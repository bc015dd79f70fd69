"""What a subcommand asks of the sources."""

from __future__ import annotations

import time
from collections.abc import Callable

from fetchtoken.settings import Settings
from fetchtoken.sources.request import Request

__all__ = ["TIMEOUT_S", "Note", "request_for"]

TIMEOUT_S = 30.0
"""Limit for one account; subcommands have no ``--timeout``."""

Note = Callable[[str], None]
"""Takes one line for people."""


def request_for(  # noqa: PLR0913 - what differs from the defaults, each named at the call
    settings: Settings,
    note: Note,
    *,
    account: str | None = None,
    min_valid_s: int | None = None,
    force: bool = False,
    interactive: bool = False,
) -> Request:
    """Return a request that starts now.

    Args:
        settings: the defaults.
        note: takes lines for people.
        account: instead of the configured one.
        min_valid_s: instead of the configured one.
        force: only an exchange from now on will do.
        interactive: a person may be asked, where one is at the terminal.
    """
    return Request(
        account=settings.account if account is None else account,
        min_valid_s=settings.min_valid_s if min_valid_s is None else min_valid_s,
        force_refresh=force,
        no_refresh=False,
        no_cache=False,
        started_at=time.time(),
        deadline=time.monotonic() + TIMEOUT_S,
        note=note,
        interactive=interactive,
    )
