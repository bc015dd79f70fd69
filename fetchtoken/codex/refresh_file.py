"""The whole locked refresh of one auth file, as the exchange process carries it out.

Locks, a second look at the file, the attempt file, one request, the raw answer on disk, the new
file, the end of the attempt file: in this order, so that a kill at any instant leaves either the
old login, or the new one, or an attempt file that says what is in doubt.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from fetchtoken.codex.destination import authority_of, token_endpoint
from fetchtoken.codex.local_attempt import Past, Verdict, attempt_path, begin, look_back, put_aside, remove
from fetchtoken.codex.locks import auth_locks
from fetchtoken.codex.replaceable import check_replaceable
from fetchtoken.domain.errors import FetchTokenError, Unavailable
from fetchtoken.domain.jsontext import dumps
from fetchtoken.domain.token import CODEX_WINDOW_S, REFRESH_AT, Token, refresh_due_at
from fetchtoken.files.atomic import replace_file, sweep
from fetchtoken.files.guard import read_private
from fetchtoken.formats.codex import AuthFile, check_login, identity, parse_auth_file, rotated_document
from fetchtoken.oauth.attempt import Attempt, hold_until_safe, journal_answer, send
from fetchtoken.oauth.messages import TokenSet, refresh_body
from fetchtoken.oauth.outcome import Answer, Kind, Outcome, classify

__all__ = ["TWICE", "YOUNG_S", "Job", "is_due", "serve"]

TWICE = "already sent twice"
"""Detail of ``in_doubt`` where no replay is left."""

YOUNG_S = 600
"""A token issued less than this long ago is not exchanged because somebody asks for a longer one."""

_INTERVAL_S = 60.0
"""Least time between two exchanges that no person ordered, whatever the tokens say of themselves."""
_LIMIT_S = 15.0
"""Limit of the request: Codex itself gives up 20 s after its start, and it may be waiting for our locks."""
_LOCKS_S = 25.0


@dataclass(frozen=True, slots=True)
class Job:
    """What the command wants done; no secret is in it."""

    path: str
    codex_home: str
    min_valid_s: float
    """Seconds of life wanted; with ``when_due`` the part of the life decides instead."""
    when_due: bool
    force: bool
    replay: bool
    """A person ordered that a token in doubt be sent once more."""
    began_s: float
    """Epoch seconds at which the command began: force is met by any later exchange."""
    started_s: float
    """The same instant on the boot clock."""
    url_override: str = ""
    client_id_override: str = ""
    broker_url: str = ""
    broker_ca: str = ""
    ca_file: str = ""

    def to_json(self) -> dict[str, object]:
        """Return the request frame."""
        return {name: getattr(self, name) for name in self.__slots__}


def serve(request: dict[str, object], environ: Mapping[str, str]) -> dict[str, object]:
    """Do the refresh; never raises for what files, locks or the network do.

    Returns:
        ``status`` (``fresh``, ``refreshed``, ``in_doubt``, ``refused``, ``refused_before``, ``try_later``,
        ``not_sent``, ``young``, ``no_refresh_token``, ``busy`` or ``blocked``), ``detail`` for people, and
        with ``blocked`` a ``hint`` and ``exit_code`` where they are known.
    """
    job = Job(**{name: request[name] for name in Job.__slots__})  # type: ignore[arg-type]
    # Followed once: a link that is pointed elsewhere meanwhile must not part a token from its answer.
    job = replace(job, path=os.path.realpath(job.path))
    try:
        with auth_locks(job.path, job.codex_home, time.monotonic() + _LOCKS_S):
            return _locked(job, environ)
    except Unavailable as error:
        return _report("busy", error.message)
    except FetchTokenError as error:
        return {**_report("blocked", error.message), "hint": error.hint, "exit_code": error.exit_code}
    except OSError as error:
        return _report("blocked", f"{error.filename or job.path}: {error.strerror}")


def _report(status: str, detail: str = "") -> dict[str, object]:
    return {"status": status, "detail": detail}


def _locked(job: Job, environ: Mapping[str, str]) -> dict[str, object]:
    """Decide, under the locks, whether to send; then send."""
    auth = _read(job.path)
    journal = attempt_path(job.path)
    past = look_back(journal, auth.refresh_token, now_s=time.time())
    if past.verdict is Verdict.RUNNING:
        return _report("busy", f"{journal} is held by another exchange")
    if os.path.exists(journal):
        sweep(job.path)
        _clear(job, journal, past)
        auth = _read(job.path)
    if past.verdict is Verdict.REFUSED:
        return _report("refused_before", past.outcome.code if past.outcome else "")
    if past.verdict is Verdict.WAIT and past.outcome is not None:
        return _report("try_later", _patience(past.outcome, past.answered_at))
    if not _in_need(auth, job):
        return _report("fresh")
    doubt = past.verdict is Verdict.IN_DOUBT
    if doubt and not _may_replay(past, job):
        return _report("in_doubt", TWICE if past.replayed else "")
    if not auth.refresh_token:
        return _report("no_refresh_token")
    if _too_young(auth, job):
        return _report("young")
    check_replaceable(auth)
    return _exchange(job, auth, journal, environ, replay=doubt)


def _clear(job: Job, journal: str, past: Past) -> None:
    """Do what an earlier attempt leaves to do without sending anything."""
    tokens = past.outcome.tokens if past.outcome else None
    if past.verdict is Verdict.COMMIT and tokens is not None:
        _commit(job.path, journal, tokens, past.answered_at)
    elif past.verdict is Verdict.FOREIGN and tokens is not None:
        put_aside(journal)  # tokens are never dropped, even where no file wants them
    elif past.verdict in (Verdict.FOREIGN, Verdict.NONE):
        remove(journal)


def _may_replay(past: Past, job: Job) -> bool:
    """Tell whether a token in doubt may be sent once more.

    Once only; and where the attempt file could not be read, it may hold the answer: then only a
    person's order counts.
    """
    return job.replay and not past.replayed and (past.readable or job.force)


def _read(path: str) -> AuthFile:
    auth = parse_auth_file(read_private(path), path)
    check_login(auth)
    return auth


def _in_need(auth: AuthFile, job: Job) -> bool:
    token = auth.token()
    now_s = time.time()
    if job.force:
        # A time still to come was written by another clock, and says nothing.
        return auth.last_refresh is None or not job.began_s <= auth.last_refresh <= now_s
    if job.when_due:
        return is_due(token, auth.last_refresh, now_s)
    return token.seconds_left(now_s) < max(job.min_valid_s, CODEX_WINDOW_S)


def is_due(token: Token, last_refresh_s: float | None, now_s: float) -> bool:
    """Tell whether 60 % of a token's life is over; an opaque one is due after eight days, as in Codex."""
    if not token.access_token:
        return True
    issued_at = token.issued_at if token.issued_at is not None else last_refresh_s
    if token.expires_at is None:
        return last_refresh_s is not None and now_s - last_refresh_s > 8 * 86_400
    if issued_at is None or issued_at >= token.expires_at:
        return token.expires_at - now_s < CODEX_WINDOW_S
    return now_s >= refresh_due_at(issued_at, token.expires_at, part=REFRESH_AT)


def _too_young(auth: AuthFile, job: Job) -> bool:
    if job.force or job.when_due:
        return False
    token, now_s = auth.token(), time.time()
    if auth.last_refresh is not None and 0 <= now_s - auth.last_refresh < _INTERVAL_S:
        # What came just now is too short or old already: the next one would be as well.
        return True
    return token.issued_at is not None and now_s - token.issued_at < YOUNG_S and token.seconds_left(now_s) > 0


def _exchange(
    job: Job, auth: AuthFile, journal: str, environ: Mapping[str, str], *, replay: bool
) -> dict[str, object]:
    url, client_id = token_endpoint(
        auth,
        url_override=job.url_override,
        client_id_override=job.client_id_override,
        broker_url=job.broker_url,
    )
    ca_file = authority_of(url, broker_url=job.broker_url, broker_ca=job.broker_ca, ca_file=job.ca_file)
    reason = "forced" if job.force else "proactive_expiry"
    fd = begin(journal, auth.refresh_token, replay=replay)
    try:
        attempt = Attempt(
            name=os.path.basename(journal),
            url=url,
            body=refresh_body(auth.refresh_token, client_id=client_id, reason=reason),
            journal_fd=fd,
            started_s=job.started_s,
            limit_s=_LIMIT_S,
            ca_file=ca_file,
        )
        answer = send(attempt, environ)
        outcome = classify(answer, now_s=time.time())
        if not journal_answer(attempt, answer):
            hold_until_safe(lambda: _save(job, auth, attempt, answer, outcome), -1)
        return _settle(job, journal, auth, outcome, replay=replay)
    finally:
        os.close(fd)


def _save(job: Job, auth: AuthFile, attempt: Attempt, answer: Answer, outcome: Outcome) -> bool:
    """Put an answer that the attempt file did not take wherever it fits: the auth file itself, or there."""
    tokens = outcome.tokens
    if tokens is None:
        return True
    try:
        if _is_ours(_read(job.path), auth, tokens):
            _write(job.path, tokens, time.time())
            return True
    except (OSError, FetchTokenError):
        pass
    return journal_answer(attempt, answer)


def _is_ours(now: AuthFile, auth: AuthFile, tokens: TokenSet) -> bool:
    """Tell whether the file holds what was exchanged, or its outcome already, and no other login."""
    return now.refresh_token in (auth.refresh_token, tokens.refresh_token)


def _settle(job: Job, journal: str, auth: AuthFile, outcome: Outcome, *, replay: bool) -> dict[str, object]:
    tokens = outcome.tokens
    if tokens is not None:
        now = _read(job.path)
        if not _is_ours(now, auth, tokens):
            # Somebody logged in meanwhile without taking the locks: their login stands.
            return _report("fresh", f"kept aside: {put_aside(journal)}")
        if now.refresh_token == auth.refresh_token:
            _write(job.path, tokens, time.time())
        _end(journal)
        if outcome.kind is Kind.TOKENS:
            return _report("refreshed", _stranger(auth, _read(job.path)))
        return _report("try_later", f"{outcome.detail}; the new refresh token is kept")
    waits = outcome.kind is Kind.TRY_LATER and outcome.retry_after_s
    if outcome.kind in (Kind.NOT_SENT, Kind.TRY_LATER) and not waits and not replay:
        remove(journal)
    if outcome.kind is Kind.REFUSED:
        return _report("refused", outcome.code)
    if outcome.kind is Kind.UNKNOWN:
        return _report("in_doubt", TWICE if replay else outcome.detail)
    return _report(str(outcome.kind), _patience(outcome, time.time()))


def _patience(outcome: Outcome, answered_at: float) -> str:
    """Return words for people on how long the issuer wants to be left alone."""
    left_s = answered_at + (outcome.retry_after_s or 0.0) - time.time()
    return f"{outcome.detail}, {left_s:.0f} s to wait" if left_s > 0 else outcome.detail


def _stranger(old: AuthFile, new: AuthFile) -> str:
    """Return words for people where the issuer's answer names another user than the login had."""
    held, came = (identity(auth) for auth in (old, new))
    if not all(held) or not all(came) or held == came:
        return ""
    return (
        "the issuer answered with a token of another user; if that is wrong: codex-fetchtoken login --force"
    )


def _commit(path: str, journal: str, tokens: TokenSet, answered_at: float) -> None:
    """Write the new tokens into the auth file, then end the attempt."""
    _write(path, tokens, answered_at)
    _end(journal)


def _write(path: str, tokens: TokenSet, answered_at: float) -> None:
    document = rotated_document(
        _read(path).document,
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        id_token=tokens.id_token,
        now_s=None if tokens.access_token is None else answered_at,
    )
    replace_file(path, dumps(document, indent=2).encode())


def _end(journal: str) -> None:
    """Remove the attempt file of tokens that are in place; one that stays is seen to be over."""
    with suppress(OSError):
        remove(journal)
