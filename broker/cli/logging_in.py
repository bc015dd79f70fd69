"""The person's side of ``account login``: have a login approved, exchange its code, hand it over.

The code is good once, and its answer comes to this process first. So nothing that can be held off
stands between the two: the daemon is asked before whether it wants the login, signals wait, and a
daemon that has just gone away is waited for. Where none comes back the login is kept in a file.
"""

import os
import secrets
import sys
import time
from pathlib import Path
from typing import Any

from broker.cli import speech
from broker.cli.identity import as_owner_of
from broker.cli.place import Place
from fetchtoken.domain.errors import FetchTokenError, Unavailable, Unsafe
from fetchtoken.domain.jsontext import dumps
from fetchtoken.files.atomic import replace_file
from fetchtoken.formats.codex_new import login_document
from fetchtoken.oauth.login.asking import Issuer, check_issuer
from fetchtoken.oauth.login.grant import NewTokens
from fetchtoken.oauth.login.person import Person
from fetchtoken.oauth.login.pkce import random_text
from fetchtoken.oauth.login.undisturbed import undisturbed
from fetchtoken.oauth.login.walks import Wishes, walk
from fetchtoken.oauth.revoke import revoke

__all__ = ["log_in"]

_PATIENCE_S = 20.0
"""How long a broker that went away may take to come back for a login that is in our hands."""

_PAUSE_S = 0.2

_NOBODYS = frozenset({"account_exists", "foreign_issuer", "identity_mismatch", "older"})
"""Codes of a broker's verdict on the login itself: it does not take it, and never will."""


def log_in(place: Place, name: str, wishes: Wishes) -> dict[str, Any]:
    """Log in for an account, and return it.

    Raises:
        ConfigError: the login is another user's; it is revoked, and the account is as it was.
        Unavailable: no broker took the login; the message names the file that holds it, as it does
            wherever the trouble was the broker's.
        FetchTokenError: as :func:`fetchtoken.oauth.login.walks.walk`; the account is as it was.
    """
    wishes.check()
    begun = place.call("account_login_begin", name=name)
    issuer = Issuer(
        url=check_issuer(begun["issuer"], "issuer.url"),
        client_id=begun["client_id"],
        ca_file="",
        environ=os.environ,
    )
    if begun["email"]:
        speech.note(f"account {name} is {begun['email']}: log in as that user")
    person = _person()
    approval = walk(issuer, person, wishes)
    with undisturbed(person.say):
        tokens = issuer.redeem(approval)
        return _hand_over(place, name, issuer, tokens)


def _person() -> Person:
    return Person(
        speech.note,
        speech.tell,
        os.environ,
        stdin=-1 if sys.stdin is None else 0,
        stderr=-1 if sys.stderr is None else 2,
    )


def _hand_over(place: Place, name: str, issuer: Issuer, tokens: NewTokens) -> dict[str, Any]:
    """Have the login stored, however often that must be tried: storing it twice does nothing more."""
    document = _document(issuer, tokens)
    end_s = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return dict(place.call("account_login_finish", name=name, document=document))
        except FetchTokenError as error:
            if error.code in _NOBODYS:
                _end(issuer, tokens)
                raise error from None
            if not isinstance(error, Unavailable) or time.monotonic() > end_s:
                raise _keep(place, name, document, error) from None
        time.sleep(_PAUSE_S)


def _document(issuer: Issuer, tokens: NewTokens) -> str:
    document = login_document(
        {},
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        id_token=tokens.id_token,
        account_id=tokens.account_id,
        owner_id=random_text(secrets.token_bytes(32)),
        provenance=(issuer.url, issuer.client_id),
        now_s=time.time(),
    )
    return dumps(document, indent=2)


def _end(issuer: Issuer, tokens: NewTokens) -> None:
    """Revoke a login that nobody wants; it is ours alone."""
    try:
        revoke(
            f"{issuer.url}/oauth/revoke",
            tokens.refresh_token,
            client_id=issuer.client_id,
            ca_file=issuer.ca_file,
            environ=issuer.environ,
        )
    except FetchTokenError as error:
        speech.note(f"the login that was just made could not be revoked: {error.message}")


def _keep(place: Place, name: str, document: str, error: FetchTokenError) -> FetchTokenError:
    """Put a login that no broker took into a file of the home, and return the error that says so."""
    file = Path(place.home.path) / f"login-{name}.json"
    try:
        with as_owner_of(file.parent):
            replace_file(str(file), document.encode())
    except OSError as problem:
        return Unsafe(
            f"{error.message}; and {file} cannot be written: {problem.strerror}", hint="log in once more"
        )
    return type(error)(
        f"{error.message}; the login lies in {file}",
        hint=f"codex-broker account adopt {file} --name {name}, then delete the file",
    )
