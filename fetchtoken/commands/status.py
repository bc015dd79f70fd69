"""``status``: what a resolve would find, without contact with the issuer."""

from __future__ import annotations

import time

from fetchtoken.codex.config import store_mode
from fetchtoken.codex.local_attempt import Past, Verdict, attempt_path, look_back
from fetchtoken.codex.refresh_file import YOUNG_S
from fetchtoken.commands.asking import request_for
from fetchtoken.domain.errors import (
    FetchTokenError,
    LoginRequired,
    Malformed,
    NotFound,
    Unavailable,
)
from fetchtoken.domain.instants import to_rfc3339
from fetchtoken.domain.token import CODEX_WINDOW_S, Token, refresh_due_at
from fetchtoken.formats.codex import ACCESS_ONLY, AuthFile
from fetchtoken.settings import Settings
from fetchtoken.sources import remote, ssh
from fetchtoken.sources.keyring import fetch_from_keyring
from fetchtoken.sources.local import check_account, dead, find_file, load, short_lived
from fetchtoken.sources.request import Request

__all__ = ["View", "refresher", "view_all"]

_GOES_ON = (LoginRequired, NotFound, Unavailable, Malformed)
"""Errors behind which the next source of a list is asked, as the resolve does."""


class View:
    """What one source has to say.

    Attributes:
        source: ``local``, ``remote`` or ``ssh``.
        place: the file, the keyring, the broker's URL or the SSH host.
        token: the token, where there is one, usable or not.
        refreshed_by: who renews it, in words.
        refresh_after: epoch seconds from which it is due, where that is known.
        notes: what else a person should know.
        error: why a resolve would fail here.
    """

    def __init__(self, source: str, place: str) -> None:
        self.source = source
        self.place = place
        self.token: Token | None = None
        self.refreshed_by = ""
        self.refresh_after: float | None = None
        self.notes: list[str] = []
        self.error: FetchTokenError | None = None

    def to_json(self, now_s: float) -> dict[str, object]:
        """Return the view for ``--json``; never a token."""
        token, error = self.token, self.error
        expires_at = token.expires_at if token else None
        return {
            "source": self.source,
            "place": self.place,
            "account": (token.account or None) if token else None,
            "account_id": (token.account_id or None) if token else None,
            "plan_type": (token.plan_type or None) if token else None,
            "expires_at": None if expires_at is None else to_rfc3339(expires_at),
            "expires_in": None if expires_at is None else max(0, int(expires_at - now_s)),
            "refreshed_by": self.refreshed_by or None,
            "refresh_after": None if self.refresh_after is None else to_rfc3339(self.refresh_after),
            "notes": self.notes,
            "problem": None
            if error is None
            else {"exit_code": error.exit_code, "message": error.message, "hint": error.hint},
        }


def view_all(settings: Settings) -> tuple[list[View], FetchTokenError | None]:
    """Look at the sources as a resolve would, and return them with the error that it would end with.

    The broker or the SSH host is asked where there is no recent copy, the issuer never.
    """
    look = {"local": _look_local, "remote": _look_remote, "ssh": _look_ssh}
    views: list[View] = []
    for source in settings.sources:
        view = View(source, "")
        request = request_for(settings, view.notes.append)
        try:
            look[source](view, settings, request)
        except FetchTokenError as error:
            view.error = error
        views.append(view)
        if view.error is None:
            return views, None
        if not isinstance(view.error, _GOES_ON):
            break
    return views, views[0].error


def _look_remote(view: View, settings: Settings, request: Request) -> None:
    view.place = settings.remote_url
    view.refreshed_by = "the broker"
    view.token = remote.fetch(settings, request)


def _look_ssh(view: View, settings: Settings, request: Request) -> None:
    view.place = view.refreshed_by = ssh.peer_of(settings)
    view.token = ssh.fetch(settings, request)


def _look_local(view: View, settings: Settings, request: Request) -> None:
    if not (settings.credentials_file or request.account or settings.openai_codex_path):
        mode = store_mode(settings.codex_home)
        if mode != "file":
            view.place, view.refreshed_by = "the keyring", "Codex"
            view.token = fetch_from_keyring(settings, request, mode)
            if view.token is not None:
                return
    path = find_file(settings, request.account)
    view.place, view.refreshed_by = path, ""
    auth = load(path)
    check_account(auth, settings, request.account)
    view.token = token = auth.token(account=request.account)
    view.refreshed_by = refresher(auth)
    if auth.refresh_token and token.expires_at is not None and token.issued_at is not None:
        view.refresh_after = refresh_due_at(token.issued_at, token.expires_at)
    past = look_back(attempt_path(path), auth.refresh_token, now_s=time.time())
    if past.verdict is Verdict.IN_DOUBT:
        view.notes.append("an earlier exchange is in doubt: it was sent, and its answer is unknown")
    if past.verdict is Verdict.REFUSED:
        view.notes.append("the issuer refused its refresh token: log in before it expires")
    _judge(auth, token, past, request)


def refresher(auth: AuthFile) -> str:
    """Say who renews a file's token."""
    if not auth.refresh_token:
        return "codex-fetchtoken sync" if auth.kind == ACCESS_ONLY else "nobody"
    return "the broker" if auth.refresh_token.reveal().startswith("cbr_") else "codex-fetchtoken and Codex"


def _judge(auth: AuthFile, token: Token, past: Past, request: Request) -> None:
    """Raise what a resolve would end with; where it would exchange, suppose that this succeeds."""
    now_s = time.time()
    left_s = token.seconds_left(now_s)
    if left_s >= max(request.min_valid_s, CODEX_WINDOW_S):
        return
    alive = left_s >= CODEX_WINDOW_S
    if alive and token.issued_at is not None and now_s - token.issued_at < YOUNG_S:
        raise Unavailable(f"{auth.name}: the issuer gives only {int(left_s)} s", hint="--min-valid 0")
    why = _obstacle(auth, past)
    if not why:
        return
    if alive:
        raise short_lived(token, auth.name, request, why)
    spent = past.verdict is Verdict.REFUSED or (past.verdict is Verdict.IN_DOUBT and past.replayed)
    if not auth.refresh_token or spent:
        raise dead(auth.name, f"the token is expired and {why}")
    hint = "codex-fetchtoken refresh --force" if past.verdict is Verdict.IN_DOUBT else "try again in a minute"
    raise Unavailable(f"{auth.name}: the token is expired and {why}", hint=hint)


def _obstacle(auth: AuthFile, past: Past) -> str:
    """Say why a resolve could not exchange now, or return an empty string."""
    if not auth.refresh_token:
        return "there is no refresh token"
    return {
        Verdict.IN_DOUBT: "an earlier exchange is in doubt",
        Verdict.REFUSED: "its refresh token was refused",
        Verdict.WAIT: "the issuer asks to try later",
    }.get(past.verdict, "")
