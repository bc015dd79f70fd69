"""What ``join`` tells a person: what was done, what still stands in its way, and what a resolve gets now."""

from __future__ import annotations

from fetchtoken.commands.asking import Note, request_for
from fetchtoken.commands.join import Enrolled
from fetchtoken.domain.errors import FetchTokenError
from fetchtoken.domain.instants import to_rfc3339
from fetchtoken.settings import Settings
from fetchtoken.settings.apikey import origin_of
from fetchtoken.sources import remote
from fetchtoken.sources.local import load as load_login

__all__ = ["say_done", "say_local_login", "try_token"]


def say_done(enrolled: Enrolled, note: Note) -> None:
    """Say who this machine is now and what was written where."""
    accounts = ", ".join(enrolled.joined.accounts) or "no account"
    note(f"joined {enrolled.origin} as {enrolled.joined.client}, granted {accounts}")
    note(f"the API key is in {enrolled.key_place}")
    for change in enrolled.changes:
        was = f" (was {change.before})" if change.before else ""
        done = f"now has {change.key}={change.value}{was}" if change.value else f"lost {change.key}{was}"
        note(f"{enrolled.path} {done}")


def say_local_login(settings: Settings, note: Note) -> None:
    """Say so where Codex has a login of its own here: it stays."""
    path = f"{settings.codex_home}/auth.json"
    try:
        login = load_login(path)
    except FetchTokenError:
        return
    if login.refresh_token:
        note(f"the login in {path} stays as it is: codex-fetchtoken --source local uses it")


def try_token(settings: Settings, enrolled: Enrolled, note: Note) -> None:
    """Ask for a token as the next command will, and say what came.

    Args:
        settings: as they are after joining.
        enrolled: what was done.
        note: takes lines for people.
    """
    if "remote" not in settings.sources or origin_of(settings.remote_url) != enrolled.origin:
        note("so codex-fetchtoken does not ask this broker yet")
        return
    accounts = enrolled.joined.accounts
    if settings.account and settings.account not in accounts:
        where = settings.origin("CODEX_ACCOUNT")
        note(f"CODEX_ACCOUNT from {where} names {settings.account}, which is not granted")
    try:
        token = remote.fetch(settings, request_for(settings, note))
    except FetchTokenError as error:
        hint = f"; {error.hint}" if error.hint else ""
        note(f"no token yet: {error.message}{hint}")
        return
    until = "an unknown time" if token.expires_at is None else to_rfc3339(token.expires_at)
    note(f"codex-fetchtoken prints the token of {token.account or 'the default'}, good until {until}")
