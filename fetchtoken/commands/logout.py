"""``logout``: end local logins at their issuer, then delete them."""

from __future__ import annotations

import os
import time

from fetchtoken.codex.config import store_mode
from fetchtoken.codex.destination import authority_of, revoke_endpoint
from fetchtoken.codex.local_attempt import Past, Verdict, attempt_path, look_back
from fetchtoken.codex.locks import auth_locks
from fetchtoken.codex.removal import remove_login
from fetchtoken.codex.switch import read_login
from fetchtoken.commands.asking import Note
from fetchtoken.commands.local_files import LOCKS_S, all_files, changing, find_account, twins
from fetchtoken.domain.errors import ConfigError, FetchTokenError, NotFound, Unavailable
from fetchtoken.domain.secret import Secret
from fetchtoken.formats.codex import AuthFile, check_login
from fetchtoken.net.url import parse_url
from fetchtoken.oauth.revoke import revoke
from fetchtoken.settings import Settings
from fetchtoken.sources.cache import forget_all
from fetchtoken.sources.local import find_file

__all__ = ["logout"]

_HINT = "try again, or --keep-grant to delete only: the login then lives on at the issuer"


def logout(settings: Settings, note: Note, *, name: str, all_accounts: bool, keep_grant: bool) -> None:
    """Revoke logins upstream and delete them; note what was done.

    One that fails does not keep the others from their turn.

    Args:
        settings: where the files are.
        note: takes a line for each step.
        name: the account's name, or an empty string for the configured one.
        all_accounts: the default login and every account.
        keep_grant: delete only.

    Raises:
        ConfigError: the words contradict each other, or Codex keeps that login elsewhere.
        NotFound: there is nothing to log out of.
        Unavailable: the issuer did not confirm, or a refresh goes on; that login is untouched.
        Malformed, Unsafe: a file is not in order; it is untouched.
    """
    if name and all_accounts:
        raise ConfigError("a name and --all contradict each other", hint="leave one out")
    if all_accounts:
        paths = [path for path in all_files(settings) if os.path.lexists(path)]
    else:
        paths = [find_account(settings, name) if name else _default(settings)]
    if not paths or not os.path.lexists(paths[0]):
        _without_login(settings, note, name or settings.account, nothing="" if all_accounts else paths[0])
        return
    copies = twins(all_files(settings))
    first: FetchTokenError | None = None
    for number, path in enumerate(paths, 1):
        if all_accounts:
            note(f"{number} of {len(paths)}: {path}")
        try:
            _log_out(path, settings, note, keep_grant=keep_grant)
        except FetchTokenError as error:
            if first is not None:
                note(error.message)
            first = first or error
            continue
        if path in copies and not keep_grant and os.path.exists(copies[path]):
            note(f"{copies[path]} holds the same login, which has ended too")
    if first is not None:
        raise first


def _default(settings: Settings) -> str:
    """Return the file of the configured account, else of the default login."""
    named = settings.credentials_file or settings.account or settings.openai_codex_path
    if not named and store_mode(settings.codex_home) in ("keyring", "ephemeral"):
        raise ConfigError("Codex does not keep its login in a file", hint="codex logout")
    return find_file(settings, settings.account)


def _without_login(settings: Settings, note: Note, account: str, *, nothing: str) -> None:
    """Delete what other sources left here, where there is no login of this machine's own."""
    copies = forget_all(settings, account=account)
    if copies:
        note(f"cached tokens deleted: {copies}; whoever holds the login keeps it")
    elif nothing:
        raise NotFound(f"no login: {nothing} does not exist", hint="codex-fetchtoken accounts")
    else:
        note("nothing to do: there is no login here")


def _log_out(path: str, settings: Settings, note: Note, *, keep_grant: bool) -> None:
    """End one login, under its locks: revoke the newest token that is known, then delete."""
    with (
        changing(os.path.dirname(path)),
        auth_locks(path, settings.codex_home, time.monotonic() + LOCKS_S),
    ):
        real, auth = os.path.realpath(path), _read(path, keep_grant=keep_grant)
        token = auth.refresh_token if auth is not None else Secret("")
        past = look_back(attempt_path(path), token, now_s=time.time())
        if past.verdict is Verdict.RUNNING:
            raise Unavailable(f"{path}: an exchange is running", hint="try again in a minute")
        said = "not revoked" if keep_grant or auth is None else _revoked(auth, past, settings)
        aside = remove_login(path, settings.codex_home, past)
    note(f"deleted: {real}; {said}")
    if aside:
        note(f"tokens of an earlier login there are kept aside: {aside}")
    account_id = auth.token().account_id if auth is not None else ""
    if account_id and (copies := forget_all(settings, account_id=account_id)):
        note(f"cached tokens of the same account deleted: {copies}")


def _read(path: str, *, keep_grant: bool) -> AuthFile | None:
    """Return what the file holds; ``None`` where it cannot be read, and need not be."""
    try:
        return read_login(path)
    except FetchTokenError:
        if keep_grant and os.path.lexists(path):
            return None
        raise


def _revoked(auth: AuthFile, past: Past, settings: Settings) -> str:
    """Revoke a login at its issuer; return what came of it, for people."""
    tokens = past.outcome.tokens if past.verdict is Verdict.COMMIT and past.outcome is not None else None
    token = (tokens.refresh_token if tokens is not None else None) or auth.refresh_token
    if not token:
        return _kind(auth)
    broker_url = settings.remote_url if settings.remote_url_origin != "built-in" else ""
    url, client_id = revoke_endpoint(
        auth,
        url_override=settings.revoke_url_override,
        refresh_override=settings.refresh_url_override,
        client_id_override=settings.login_client_id,
        broker_url=broker_url,
    )
    ca_file = authority_of(
        url, broker_url=broker_url, broker_ca=settings.ca_file, ca_file=settings.codex_ca_certificate
    )
    try:
        now = revoke(url, token, client_id=client_id, ca_file=ca_file, environ=settings.environ)
    except Unavailable as error:
        if past.verdict is not Verdict.REFUSED:
            raise Unavailable(f"not revoked, nothing deleted: {error.message}", hint=_HINT) from None
        return "its refresh token was refused before, and the issuer cannot be asked now"
    who = parse_url(url).peer
    if not now:
        return f"{who} says that it was invalid already"
    doubt = past.verdict is Verdict.IN_DOUBT
    return f"revoked at {who}" + (
        ", by the last token that is known of an exchange in doubt" if doubt else ""
    )


def _kind(auth: AuthFile) -> str:
    """Say why there is nothing to revoke: who has no refresh token has no say over the login."""
    try:
        check_login(auth)
    except FetchTokenError as error:
        return f"nothing revoked: {error.message}"
    return "nothing revoked: it held no refresh token, so whoever does keeps the login"
