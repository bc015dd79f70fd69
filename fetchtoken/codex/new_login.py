"""Put a new login into an auth file: under Codex's locks, with its place ready before it comes.

The code that stands for a login is good once, so everything that can fail without it is done
first: locks, a second look at the file, the space on the disk. Then the code is exchanged, and the
file is in its place before anything else happens. Whatever ends this process before that leaves
the old file as it was.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from fetchtoken.codex.local_attempt import Verdict, attempt_path, look_back
from fetchtoken.codex.locks import auth_locks
from fetchtoken.codex.replaceable import check_replaceable
from fetchtoken.domain.errors import ConfigError, NotFound, Unsafe
from fetchtoken.domain.jsontext import dumps
from fetchtoken.domain.token import CODEX_WINDOW_S
from fetchtoken.files.atomic import sweep
from fetchtoken.files.guard import read_private
from fetchtoken.files.reserved import Reserved
from fetchtoken.formats.codex import ACCESS_ONLY, AuthFile, email_of, identity, parse_auth_file
from fetchtoken.formats.codex_new import login_document
from fetchtoken.oauth.login.grant import NewTokens

__all__ = ["Placed", "check_place", "place_login"]

_LOCKS_S = 30.0
"""Longer than an exchange of ours may hold the locks."""

_MACHINE_CREDENTIAL = "cbr_"


@dataclass(frozen=True, slots=True)
class Placed:
    """A login that is where it belongs."""

    tokens: NewTokens
    replaced: AuthFile | None
    """What the file held before; ``None`` where that is still there, or where there was nothing."""
    unlinked: str = ""
    """The file to which the path was a link; it holds another account, and was left alone."""


def check_place(path: str, *, force: bool, now_s: float) -> AuthFile | None:
    """Return what an auth file holds, where a new login may take its place.

    Args:
        path: the file, existing or not.
        force: the person wants it replaced, whatever it holds.
        now_s: epoch seconds.

    Raises:
        ConfigError: it holds something that would be lost, and nobody ordered that.
        Unsafe: others can read it, or it cannot be replaced.
        Malformed: it is no auth file.
    """
    try:
        held = parse_auth_file(read_private(path), path)
    except NotFound:
        return None
    check_replaceable(held)
    if not force and (what := _worth_keeping(held, now_s)):
        raise ConfigError(f"{path} holds {what}", hint=_way_out(held))
    return held


def place_login(  # noqa: PLR0913 - each named at the call
    path: str,
    codex_home: str,
    redeem: Callable[[], NewTokens],
    *,
    force: bool,
    owner_id: str,
    provenance: tuple[str, str] | None,
) -> Placed:
    """Exchange the code and put the login into its file.

    A link whose file holds another account is itself replaced: that account keeps its login.

    Args:
        path: the auth file.
        codex_home: whose ``auth.lock`` counts.
        redeem: exchanges the code; called once, with everything ready.
        force: as for :func:`check_place`.
        owner_id: see :func:`fetchtoken.formats.codex_new.login_document`.
        provenance: the same.

    Raises:
        Unavailable: another process holds the locks; the code is lost, the old file stands.
        Unsafe: the disk does not take the file; likewise.
        FetchTokenError: as :func:`check_place` and ``redeem``; likewise.
    """
    try:
        _make_directory(os.path.dirname(path))
        with auth_locks(path, codex_home, time.monotonic() + _LOCKS_S), ExitStack() as spares:
            held = check_place(path, force=force, now_s=time.time())
            real = os.path.realpath(path)
            sweep(real)
            places = {place: Reserved(place) for place in dict.fromkeys((real, path))}
            for spare in places.values():
                spares.callback(spare.discard)
            tokens = redeem()
            apart = real != path and held is not None and _is_another(held, tokens)
            document = login_document(
                {} if held is None or apart else held.document,
                access_token=tokens.access_token,
                refresh_token=tokens.refresh_token,
                id_token=tokens.id_token,
                account_id=tokens.account_id,
                owner_id=owner_id,
                provenance=provenance,
                now_s=time.time(),
            )
            places[path if apart else real].put(dumps(document, indent=2).encode())
    except OSError as error:
        raise Unsafe(
            f"{error.filename or path} cannot be written: {error.strerror}",
            hint=f"ls -ld {os.path.dirname(path)}",
        ) from None
    return Placed(tokens, None if apart else held, unlinked=real if apart else "")


def _make_directory(path: str) -> None:
    """Make a directory and those above it that are missing, each 0700, which ``makedirs`` does not."""
    if not os.path.isdir(path):
        _make_directory(os.path.dirname(path))
        with suppress(FileExistsError):
            os.mkdir(path, 0o700)


def _is_another(held: AuthFile, tokens: NewTokens) -> bool:
    return identity(held) != (tokens.account_id, tokens.user_id)


def _worth_keeping(held: AuthFile, now_s: float) -> str:
    """Say in words what a file holds that should not go without an order, or return an empty text."""
    if held.kind == ACCESS_ONLY and not held.refresh_token:
        return "the token of a broker, which keeps that login"
    if held.refresh_token.reveal().startswith(_MACHINE_CREDENTIAL):
        return "this machine's credential at a broker, which keeps the login"
    if held.kind not in ("chatgpt", ACCESS_ONLY):
        return "another kind of login"
    if not (held.access_token or held.refresh_token) or _is_dead(held, now_s):
        return ""
    return f"the login of {email_of(held) or identity(held)[0] or 'somebody'}"


def _way_out(held: AuthFile) -> str:
    with_broker = held.kind == ACCESS_ONLY or held.refresh_token.reveal().startswith(_MACHINE_CREDENTIAL)
    if with_broker:
        return "codex-broker account login NAME on the broker's host renews it; --force takes this file back"
    return "--force replaces it; codex-fetchtoken login NAME adds another account"


def _is_dead(held: AuthFile, now_s: float) -> bool:
    """Tell whether only a person can bring a login back: nobody loses anything with it."""
    if held.token().seconds_left(now_s) >= CODEX_WINDOW_S:
        return False
    past = look_back(attempt_path(held.name), held.refresh_token, now_s=now_s)
    lost = past.verdict is Verdict.IN_DOUBT and past.replayed
    return not held.refresh_token or lost or past.verdict is Verdict.REFUSED
