"""``login``: a new login for Codex's own file or for a named account; the old one goes last."""

from __future__ import annotations

import os
import time

from fetchtoken.codex.accounts import account_file, account_names, default_file
from fetchtoken.codex.destination import revoke_endpoint
from fetchtoken.codex.new_login import Placed, check_place, place_login
from fetchtoken.commands.local_files import check_account_name, check_store
from fetchtoken.domain.errors import FetchTokenError, Unsafe
from fetchtoken.files.reserved import Reserved
from fetchtoken.formats.codex import AuthFile
from fetchtoken.oauth.login.asking import Issuer, check_issuer
from fetchtoken.oauth.login.person import Person
from fetchtoken.oauth.login.pkce import random_text
from fetchtoken.oauth.login.undisturbed import undisturbed
from fetchtoken.oauth.login.walks import Wishes, walk
from fetchtoken.oauth.messages import ISSUER, OAUTH_CLIENT_ID
from fetchtoken.oauth.revoke import revoke
from fetchtoken.settings import Settings
from fetchtoken.sources.local import find_file, load

__all__ = ["login"]

_MACHINE_CREDENTIAL = "cbr_"
_OWNER_BYTES = 32


def login(settings: Settings, person: Person, wishes: Wishes, *, name: str, force: bool) -> None:
    """Log somebody in and put the login where the local source, and Codex, read it.

    Args:
        settings: where the files are.
        person: who is asked, and told what was done.
        wishes: how to log in.
        name: the account's name, or an empty string for what the local source reads.
        force: replace a login that is there.

    Raises:
        ConfigError: there is one already; Codex keeps its login elsewhere; both ways are asked for.
        FetchTokenError: as :func:`fetchtoken.oauth.login.walks.walk` and
            :func:`fetchtoken.codex.new_login.place_login`; the old file stands.
    """
    wishes.check()
    path = _place(settings, person, name)
    check_place(path, force=force, now_s=time.time())
    _check_writable(path)
    issuer = _issuer(settings)
    own = (issuer.url, issuer.client_id) == (ISSUER, OAUTH_CLIENT_ID)
    approval = walk(issuer, person, wishes)
    with undisturbed(person.say):
        placed = place_login(
            path,
            settings.codex_home,
            lambda: issuer.redeem(approval),
            force=force,
            owner_id=random_text(os.urandom(_OWNER_BYTES)),
            provenance=None if own else (issuer.url, issuer.client_id),
        )
    _tell(placed, path, name, settings, person)
    if placed.replaced is not None:
        _end(placed.replaced, placed, settings, person)


def _place(settings: Settings, person: Person, name: str) -> str:
    """Return the file that the login goes to.

    Raises:
        ConfigError: no account can be called so, or Codex would not look at its own file.
    """
    if name:
        return account_file(settings.codex_home, check_account_name(name))
    if not (settings.credentials_file or settings.account or settings.openai_codex_path):
        check_store(settings, person.say)
    return find_file(settings, settings.account)


def _check_writable(path: str) -> None:
    """Raise where the file could not be written: nobody is asked to log in for nothing.

    Raises:
        Unsafe: the disk is full, or the directory is not ours.
    """
    directory = os.path.dirname(os.path.realpath(path))
    try:
        if os.path.isdir(directory):
            Reserved(os.path.realpath(path)).discard()
            return
    except OSError as error:
        raise Unsafe(f"{path} cannot be written: {error.strerror}", hint=f"ls -ld {directory}") from None
    while not os.path.exists(directory):
        directory = os.path.dirname(directory)
    if not os.path.isdir(directory) or not os.access(directory, os.W_OK | os.X_OK):
        raise Unsafe(f"{directory} cannot be written", hint=f"ls -ld {directory}")


def _issuer(settings: Settings) -> Issuer:
    url = settings.login_issuer or ISSUER
    return Issuer(
        url=check_issuer(url, "CODEX_APP_SERVER_LOGIN_ISSUER"),
        client_id=settings.login_client_id or OAUTH_CLIENT_ID,
        ca_file=settings.codex_ca_certificate,
        environ=settings.environ,
    )


def _tell(placed: Placed, path: str, name: str, settings: Settings, person: Person) -> None:
    person.say(f"logged in as {placed.tokens.who}: {path}")
    if placed.unlinked:
        person.say(f"{path} was a link; {placed.unlinked} holds another account, and keeps it")
    if name:
        person.say(f"its token: codex-fetchtoken --account {name}; for Codex: codex-fetchtoken use {name}")
    if "local" not in settings.sources:
        person.say(
            f"the source is {', '.join(settings.sources)}: this login is read with --source local only"
        )


def _end(old: AuthFile, placed: Placed, settings: Settings, person: Person) -> None:
    """Revoke the login that was replaced, now that nobody needs it; a failure is told, no more."""
    token = old.refresh_token
    if not token or token.reveal().startswith(_MACHINE_CREDENTIAL) or token == placed.tokens.refresh_token:
        return
    if other := _other_holder(old, settings.codex_home):
        person.say(f"the login that it replaces is not revoked: {other} holds it, too")
        return
    try:
        url, client_id = revoke_endpoint(
            old,
            url_override=settings.revoke_url_override,
            refresh_override=settings.refresh_url_override,
            client_id_override=settings.login_client_id,
            broker_url=settings.remote_url if settings.remote_url_origin != "built-in" else "",
        )
        revoke(
            url,
            token,
            client_id=client_id,
            ca_file=settings.codex_ca_certificate,
            environ=settings.environ,
        )
    except FetchTokenError as error:
        person.say(f"the login that it replaces could not be revoked: {error.message}")
    else:
        person.say("the login that it replaces is revoked")


def _other_holder(old: AuthFile, codex_home: str) -> str:
    """Return another file of the Codex home that holds the same refresh token, or an empty string."""
    named = (account_file(codex_home, name) for name in account_names(codex_home))
    for path in (default_file(codex_home), *named):
        try:
            if load(path).refresh_token == old.refresh_token:
                return path
        except FetchTokenError:
            continue
    return ""
