"""``codex setup --mode endpoint``: a machine credential in the place of Codex's refresh token, and its end.

A credential stands in the record from before it stands in ``auth.json`` until it does, and again from
before it goes until the broker has ended it: stopped anywhere, the next setup or undo knows of it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from fetchtoken.codex.locks import auth_locks
from fetchtoken.codex.replaceable import check_document_replaceable
from fetchtoken.codex.setup_record import Record, Records
from fetchtoken.commands.asking import TIMEOUT_S, Note
from fetchtoken.commands.sync import check_target, merged_document, read_login
from fetchtoken.domain.errors import ConfigError, Denied, FetchTokenError, LoginRequired, NotFound, Unsafe
from fetchtoken.domain.instants import to_rfc3339
from fetchtoken.domain.jsontext import dumps
from fetchtoken.domain.keytext import id_of
from fetchtoken.domain.secret import Secret
from fetchtoken.domain.token import Token
from fetchtoken.files.atomic import replace_file, sweep
from fetchtoken.formats.codex import AuthFile, access_only_document
from fetchtoken.oauth.messages import OAUTH_CLIENT_ID
from fetchtoken.settings import Settings
from fetchtoken.sources.machine import MachineCredential, ask_machine, broker_base, end_machine

__all__ = ["check_place", "enrol", "login_document", "overrides", "retire"]

_LOCKS_S = 10.0


def overrides(settings: Settings) -> dict[str, str]:
    """Return the variables by which Codex keeps a broker's credential to that broker.

    Raises:
        ConfigError: the broker is behind a socket, or the environment leads Codex elsewhere.
    """
    base = broker_base(settings.remote_url)
    if base.startswith("unix:"):
        raise ConfigError(
            "CODEX_REMOTE_URL is a unix: URL, which Codex cannot ask", hint="--mode command, or --mode file"
        )
    found = {
        "CODEX_REFRESH_TOKEN_URL_OVERRIDE": f"{base}/oauth/token",
        "CODEX_REVOKE_TOKEN_URL_OVERRIDE": f"{base}/oauth/revoke",
    }
    for key, url in found.items():
        if settings.environ.get(key, url) != url:
            raise ConfigError(f"{key} leads Codex elsewhere than to {base}", hint=f"unset {key}")
    if settings.ca_file:
        found["CODEX_CA_CERTIFICATE"] = settings.ca_file
    return found


def check_place(settings: Settings, issuer: str, former: Record | None) -> None:
    """See that what is in ``auth.json`` can go, and a new file take its place.

    Args:
        settings: whose Codex.
        issuer: a broker of which any credential gives way, or an empty string.
        former: a setup whose own credential does.

    Raises:
        Unsafe: a lasting credential would be lost, or the file cannot be replaced.
        Malformed: it cannot be read.
    """
    path = _path(settings)
    held = read_login(path)
    if held is None or not (_is_of(held, issuer) or (former is not None and _is_own(held, former))):
        check_target(path)
        return
    try:
        check_document_replaceable(path, {})
    except OSError as error:
        raise Unsafe(f"{path} cannot be written: {error.strerror}", hint=f"ls -l {path}") from None


def login_document(credential: Secret, token: Token, issuer: str) -> dict[str, object]:
    """Return the ``auth.json`` of a login at a broker.

    Args:
        credential: the refresh token.
        token: the account's.
        issuer: the broker's base URL.
    """
    document = access_only_document(token, now_s=time.time())
    tokens = document["tokens"]
    known = tokens if isinstance(tokens, dict) else {}
    provenance = {"issuer": issuer, "client_id": OAUTH_CLIENT_ID}
    more = {"refresh_token": credential.reveal(), "oauth_provenance": provenance}
    return {**document, "auth_mode": "chatgpt", "tokens": {**known, **more}}


def enrol(settings: Settings, store: Records, record: Record, account: str, note: Note) -> Record:
    """Have the broker make a credential for this machine, and write it into ``auth.json``.

    Args:
        settings: where the broker is, and whose Codex.
        store: keeps the record.
        record: names the machine; written down already.
        account: the account's name, or an empty string for the default one.
        note: takes lines for people.

    Returns:
        The record, with what is still to be revoked.

    Raises:
        Unsafe: the file holds a login of another kind by now, or cannot be written; the new
            credential has been revoked.
        FetchTokenError: as the broker answers.
    """
    with _locked(settings) as real:
        check_place(settings, record.issuer, None)
        held = read_login(real)
        former = held.refresh_token if held else Secret("")
        record = _settled(settings, store, record, former, note)
        made = _asked(settings, store, record, account, held)
        try:
            spare = (former, made.credential) if former else (made.credential,)
            record = replace(record, spare=spare, key=_key(made.credential))
            store.write(record)
            before = held.document if held else {}
            document = merged_document(before, login_document(made.credential, made.token, made.issuer))
            replace_file(real, dumps(document, indent=2).encode())
        except BaseException:
            with suppress(FetchTokenError):
                _end(settings, made.credential, made.issuer)
            raise
    until = to_rfc3339(made.expires_at)
    note(f"{_path(settings)} holds the credential of machine {record.machine}, good until {until}")
    note("the same again before that gives it a new one")
    return _settled(settings, store, record, made.credential, note)


def _asked(
    settings: Settings, store: Records, record: Record, account: str, held: AuthFile | None
) -> MachineCredential:
    """Ask for a credential, having written down that one may come."""
    deadline_s = time.monotonic() + TIMEOUT_S
    store.write(replace(record, asking=True))
    try:
        return ask_machine(settings, account=account, machine=record.machine, deadline_s=deadline_s)
    except (ConfigError, Denied, LoginRequired, NotFound):  # none was made
        mine = held is not None and _is_own(held, record)
        store.write(record if mine else replace(record, machine="", issuer=""))
        raise


def retire(  # noqa: PLR0913 - what was done, what is to be, and how
    settings: Settings, store: Records, record: Record, token: Token | None, note: Note, *, insist: bool
) -> Record:
    """Make ``auth.json`` access-only where it holds the machine's credential, and have that one ended.

    Args:
        settings: how the broker is spoken to, and whose Codex.
        store: keeps the record.
        record: names the machine and its broker.
        token: the account's of now, where there is one; else the file's own stays.
        note: takes lines for people.
        insist: raise where the broker does not confirm; else say so.

    Returns:
        The record without the machine.

    Raises:
        Unsafe: the file cannot be written.
        FetchTokenError: the broker did not confirm the end; all else is done, and the record knows it.
    """
    with _locked(settings) as real:
        held = read_login(real)
        if held is not None and _is_own(held, record):
            others = [credential for credential in record.spare if credential != held.refresh_token]
            record = replace(record, spare=(*others, held.refresh_token))
            store.write(record)
            same = token is not None and token.account_id == held.account_id
            after = access_only_document(token if token and same else held.token(), now_s=time.time())
            replace_file(real, dumps(merged_document(held.document, after), indent=2).encode())
            note(f"{_path(settings)} is access-only now")
    profile = "take the variables of that setup out of your shell profile"
    note(f"{profile}: a new login would go to {record.issuer}")
    unheard = record.asking and _end_unheard(settings, record)
    if not record.spare and not unheard:
        note(f"{record.issuer} may still list machine {record.machine}: codex-broker client show")
    elif not insist:
        _settled(settings, store, record, None, note)
    else:
        for credential in record.spare:
            _end(settings, credential, record.issuer)
        note(f"the credential of machine {record.machine} is revoked at {record.issuer}")
    record = replace(record, machine="", issuer="", key="", spare=(), asking=False)
    store.write(record)
    return record


def _end_unheard(settings: Settings, record: Record) -> bool:
    """End a credential whose answer was not heard: the machine's next one takes its place, and is ended."""
    if broker_base(settings.remote_url) != record.issuer:
        return False
    deadline_s = time.monotonic() + TIMEOUT_S
    account, machine = settings.account, record.machine
    with suppress(FetchTokenError):
        made = ask_machine(settings, account=account, machine=machine, deadline_s=deadline_s)
        _end(settings, made.credential, made.issuer)
        return True
    return False


def _settled(settings: Settings, store: Records, record: Record, kept: Secret | None, note: Note) -> Record:
    """End the credentials that are left over; where that does not work it is said: they end by themselves.

    Args:
        settings: how the broker is spoken to.
        store: keeps the record.
        record: names them.
        kept: the one that is not left over, because Codex's file holds it, or ``None``.
        note: takes lines for people.
    """
    for credential in record.spare:
        try:
            if credential != kept:
                _end(settings, credential, record.issuer)
        except FetchTokenError as error:
            note(f"a credential of {record.machine} is not revoked, and ends by itself: {error.message}")
    record = replace(record, spare=())
    store.write(record)
    return record


def _end(settings: Settings, credential: Secret, issuer: str) -> None:
    try:
        end_machine(settings, credential, issuer=issuer, deadline_s=time.monotonic() + TIMEOUT_S)
    except FetchTokenError as error:
        error.hint = "the same again when the broker answers; or there: codex-broker client revoke"
        raise


def _is_of(held: AuthFile, base: str) -> bool:
    """Tell whether a file holds a machine's credential of a broker."""
    if not _key(held.refresh_token) or not held.provenance_issuer:
        return False
    return held.provenance_issuer.rstrip("/") == base


def _is_own(held: AuthFile, record: Record) -> bool:
    """Tell whether a file holds the credential of a setup, and not one of a login since."""
    keys = (record.key, *map(_key, record.spare))
    return _is_of(held, record.issuer) and _key(held.refresh_token) in keys


def _key(credential: Secret) -> str:
    """Return the part of a credential that is no secret, or an empty string where it is none."""
    return id_of(credential.reveal(), "cbr")


def _path(settings: Settings) -> str:
    return os.path.join(settings.codex_home, "auth.json")


@contextmanager
def _locked(settings: Settings) -> Iterator[str]:
    """Hold Codex's locks; give the real file."""
    home, path = settings.codex_home, _path(settings)
    try:
        os.makedirs(home, mode=0o700, exist_ok=True)
        real = os.path.realpath(path)
        with auth_locks(real, home, time.monotonic() + _LOCKS_S):
            sweep(real)
            yield real
    except OSError as error:
        raise Unsafe(
            f"{error.filename or path} cannot be written: {error.strerror}", hint=f"ls -ld {home}"
        ) from None
