"""The cold half of the local source: renew an auth file, or say exactly why that is not possible."""

from __future__ import annotations

import time

from fetchtoken.codex.local_attempt import Verdict, attempt_path, look_back
from fetchtoken.codex.refresh_file import TWICE
from fetchtoken.domain.errors import ConfigError, FetchTokenError, Malformed, Unavailable, Unsafe
from fetchtoken.domain.token import CODEX_WINDOW_S, Token
from fetchtoken.formats.codex import AuthFile, identity
from fetchtoken.settings import Settings
from fetchtoken.sources.local import dead, load, short_lived
from fetchtoken.sources.renewal import Report, renew_file
from fetchtoken.sources.request import Request

__all__ = ["carry_out", "explain", "renewed"]

_RESCUE_S = 5.0
_PAUSE_S = 0.1

_DOUBT = "an earlier exchange is in doubt: it was sent, and its answer is unknown"
_WHY = {
    "busy": "it cannot be locked now",
    "not_sent": "the issuer cannot be reached",
    "try_later": "the issuer asks to try later",
    "lost": "the exchange process was killed",
    "in_doubt": _DOUBT,
    "refused": "its refresh token was refused",
    "refused_before": "its refresh token was refused",
    "no_refresh_token": "there is no refresh token",
}
_BLOCKED = {2: ConfigError, 7: Malformed}
_SETTLED = (Verdict.COMMIT, Verdict.FOREIGN, Verdict.NONE)
"""What the exchange process can clear away without sending anything."""


def renewed(
    auth: AuthFile, token: Token, settings: Settings, request: Request, *, has_attempt: bool
) -> Token:
    """Return a token that meets the request, after an exchange where one is due and possible.

    Args:
        auth: the file as just read.
        token: its token.
        settings: see :func:`fetchtoken.sources.renewal.renew_file`.
        request: what is demanded.
        has_attempt: an attempt file lies beside the auth file.

    Raises:
        FetchTokenError: the class says what is the matter, as the first-run table of the README lists.
    """
    path = auth.name
    if has_attempt and not request.force_refresh and _meets(token, request):
        return _tidied(auth, token, settings, request)
    if request.no_refresh:
        return _without(auth, token, request)
    report = carry_out(auth, settings, request)
    auth = load(path)
    token = auth.token(account=token.account)
    if report.detail and report.status in ("fresh", "refreshed"):
        request.note(f"{path}: {report.detail}")
    if _meets(token, request) and report.status in ("fresh", "refreshed"):
        return token
    if _meets(token, request) and report.status in ("blocked", "in_doubt"):
        why = report.detail if report.status == "blocked" else _DOUBT
        request.note(f"not refreshed: {why}; the live token is used")
        return token
    raise explain(path, token, request, report)


def _tidied(auth: AuthFile, token: Token, settings: Settings, request: Request) -> Token:
    """Return a live token, after what an earlier attempt left has been cleared away if it can be."""
    past = look_back(attempt_path(auth.name), auth.refresh_token, now_s=time.time())
    if past.verdict is Verdict.IN_DOUBT:
        request.note(f"{auth.name}: {_DOUBT}; its live token is used")
    if past.verdict not in _SETTLED or request.no_refresh:
        return token
    try:
        report = carry_out(auth, settings, request)
        newer = load(auth.name).token(account=token.account)
    except FetchTokenError:
        return token
    if report.detail:
        request.note(f"{auth.name}: {report.detail}")
    return newer if _meets(newer, request) else token


def _meets(token: Token, request: Request) -> bool:
    return token.seconds_left(time.time()) >= max(request.min_valid_s, CODEX_WINDOW_S)


def carry_out(
    auth: AuthFile, settings: Settings, request: Request, *, when_due: bool = False, replay: bool = False
) -> Report:
    """Run the exchange process; where it was killed behind the answer, run it again to commit that.

    Args:
        auth: the file as just read.
        settings: see :func:`fetchtoken.sources.renewal.renew_file`.
        request: what is demanded.
        when_due: refresh where 60 % of the life is over.
        replay: send a token in doubt once more.
    """
    report = renew_file(auth.name, settings, request, when_due=when_due, replay=replay)
    if report.status == "lost":
        past = look_back(attempt_path(auth.name), auth.refresh_token, now_s=time.time())
        if past.verdict is Verdict.COMMIT:
            report = renew_file(auth.name, settings, request, when_due=when_due, replay=replay)
        elif past.verdict is Verdict.IN_DOUBT:
            report = Report("in_doubt", TWICE if past.replayed else "")
    if report.status == "refused" and _rescued(auth, request):
        return Report("refreshed")
    return report


def _rescued(auth: AuthFile, request: Request) -> bool:
    """Wait a little for another holder's new file: whoever spent the token is about to write one."""
    end_s = min(time.monotonic() + _RESCUE_S, request.deadline)
    while True:
        try:
            other = load(auth.name)
        except FetchTokenError:
            other = auth
        if (
            identity(other) == identity(auth)
            and other.refresh_token != auth.refresh_token
            and _meets(other.token(), request)
        ):
            return True
        if time.monotonic() >= end_s:
            return False
        time.sleep(_PAUSE_S)


def _without(auth: AuthFile, token: Token, request: Request) -> Token:
    """Return the token as it is, or say what --no-refresh costs."""
    if _meets(token, request):
        return token
    if token.seconds_left(time.time()) >= CODEX_WINDOW_S:
        raise short_lived(token, auth.name, request, "--no-refresh forbids to renew it")
    if not auth.refresh_token:
        raise dead(auth.name, "the token is expired and there is no refresh token")
    raise Unavailable(f"{auth.name}: the token is expired", hint="run it without --no-refresh")


def explain(path: str, token: Token, request: Request, report: Report) -> FetchTokenError:
    """Return the error for a token that could not be renewed."""
    status = report.status
    alive = token.seconds_left(time.time()) >= CODEX_WINDOW_S
    why = _WHY.get(status, "it cannot be renewed now")
    why = f"{why} ({report.detail})" if report.detail else why
    if status in ("young", "refreshed") or (alive and status == "fresh"):
        left_s = max(int(token.seconds_left(time.time())), 0)
        hint = (
            "--min-valid 0" if alive else "try again in a minute" if left_s else "check this machine's clock"
        )
        return Unavailable(f"{path}: the issuer gives only {left_s} s", hint=hint)
    if alive and not _meets(token, request):
        return short_lived(token, path, request, why)
    why = why if alive else f"the token is expired and {why}"
    if status in ("refused", "refused_before", "no_refresh_token") or report.detail == TWICE:
        return dead(path, why)
    if status == "blocked":
        kind = _BLOCKED.get(report.exit_code, Unsafe)
        return kind(f"not refreshed: {report.detail}", hint=report.hint or f"ls -ld {path}")
    hint = "codex-fetchtoken refresh --force" if status == "in_doubt" else "try again in a minute"
    return Unavailable(f"{path}: {why}", hint=hint)
