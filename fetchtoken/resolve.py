"""The plain resolve: which source, in what order, what when it fails.

A list falls through on 3, 4, 5 and 7 (this source cannot help now) and stops on 2, 6 and 8
(going on would hide something that a person must see); the exit code is the first source's.
"""

import time

from fetchtoken.domain.errors import (
    ConfigError,
    FetchTokenError,
    LoginRequired,
    Malformed,
    NotFound,
    Unavailable,
)
from fetchtoken.options import FORMATS, SHELLS, Options
from fetchtoken.output import emit, render
from fetchtoken.settings import Settings, load
from fetchtoken.sources.request import Request

__all__ = ["make_request", "obtain", "resolve", "run", "timeout_of"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fetchtoken.domain.token import Token
    from fetchtoken.output import Stream

_FALL_THROUGH = (LoginRequired, NotFound, Unavailable, Malformed)
_TIMEOUT_S = 30.0
_LONGEST_TIMEOUT_S = 86_400
_TIME_TO_SPEAK_S = 0.5
"""Sources give up this much before the whole command must end, so that they can say why."""


def run(  # noqa: PLR0913 - the process, piece by piece
    options: Options,
    environ: "Mapping[str, str]",
    cwd: str,
    stdout: "Stream",
    stderr: "Stream",
    *,
    arm: "Callable[[float, Stream], None] | None" = None,
) -> None:
    """Print one valid token.

    Args:
        options: what was typed.
        environ: the environment.
        cwd: the absolute working directory, or an empty string.
        stdout: takes the token and nothing else.
        stderr: takes notes.
        arm: ends this process after so many seconds, where it is the command's own.

    Raises:
        FetchTokenError: no token was printed; the class says why.
    """
    token = obtain(options, environ, cwd, stderr, arm=arm)
    emit(stdout, render(token, options.format or "token", options.shell or "bash", time.time()))


def obtain(
    options: Options,
    environ: "Mapping[str, str]",
    cwd: str,
    stderr: "Stream",
    *,
    arm: "Callable[[float, Stream], None] | None" = None,
) -> "Token":
    """Return one valid token; arguments and errors as for :func:`run`."""
    started_at = time.time()
    timeout_s = timeout_of(options)
    deadline = time.monotonic() + timeout_s
    if arm is not None:
        arm(timeout_s, stderr)
    check(options)
    settings = load(options, environ, cwd)
    for text in settings.notes:
        stderr.note(text)
    request = make_request(settings, options, started_at=started_at, deadline=deadline, note=stderr.note)
    request.interactive = arm is not None
    return resolve(settings, request, verbose=options.verbose)


def check(options: Options) -> None:
    """Raise ``ConfigError`` for options that contradict each other or have no such value."""
    if options.format is not None and options.format not in FORMATS:
        raise ConfigError(f"--format: {options.format[:80]!r} is not one", hint=f"use {', '.join(FORMATS)}")
    if options.shell is not None and options.shell not in SHELLS:
        raise ConfigError(f"--shell: {options.shell[:80]!r} is not one", hint=f"use {', '.join(SHELLS)}")
    if options.shell is not None and options.format != "env":
        raise ConfigError("--shell only goes with --format env", hint="add --format env")
    if options.force_refresh and options.no_refresh:
        raise ConfigError("--force-refresh and --no-refresh contradict each other", hint="leave one out")


def timeout_of(options: Options) -> float:
    """Return the seconds for the whole command.

    Raises:
        ConfigError: not a number of seconds above 0.
    """
    text = options.timeout
    if text is None:
        return _TIMEOUT_S
    if len(text) <= 12 and text.isascii() and text.replace(".", "", 1).isdigit():
        seconds = float(text)
        if 0 < seconds <= _LONGEST_TIMEOUT_S:
            return seconds
    raise ConfigError(
        f"--timeout: {text[:80]!r} is not allowed", hint=f"use seconds above 0, up to {_LONGEST_TIMEOUT_S}"
    )


def make_request(
    settings: Settings,
    options: Options,
    *,
    started_at: float,
    deadline: float,
    note: "Callable[[str], None]",
) -> Request:
    """Return what the settings and options ask of every source."""
    return Request(
        account=settings.account,
        min_valid_s=settings.min_valid_s,
        force_refresh=options.force_refresh,
        no_refresh=options.no_refresh,
        no_cache=options.no_cache,
        started_at=started_at,
        deadline=deadline,
        note=note,
    )


def resolve(settings: Settings, request: Request, *, verbose: bool = False) -> "Token":
    """Ask the sources in order; return the first token.

    Args:
        settings: names the sources.
        request: what is asked; its deadline is that of the whole command.
        verbose: note where the token came from and why other sources failed.

    Raises:
        FetchTokenError: the first source's error, with the others' words after it.
    """
    end = request.deadline
    failures: list[tuple[str, FetchTokenError]] = []
    for index, name in enumerate(settings.sources):
        now = time.monotonic()
        request.deadline = now + _share(end - now, len(settings.sources) - index)
        try:
            token = _fetch(name, settings, request)
        except FetchTokenError as error:
            failures.append((name, error))
            if verbose:
                request.note(f"{name}: {error.message}")
            if not isinstance(error, _FALL_THROUGH):
                break
        else:
            if verbose:
                request.note(_whence(token, settings))
            return token
    raise _first(failures)


def _share(left_s: float, sources: int) -> float:
    """Return how long this source may take: what is left, less what the next ones need to try."""
    return left_s / sources - min(_TIME_TO_SPEAK_S, left_s * 0.1)


def _fetch(name: str, settings: Settings, request: Request) -> "Token":
    if name == "local":
        from fetchtoken.sources.local import fetch as fetch_local

        return fetch_local(settings, request)
    if name == "ssh":
        from fetchtoken.sources.ssh import fetch as fetch_ssh

        return fetch_ssh(settings, request)
    from fetchtoken.sources.remote import fetch as fetch_remote

    return fetch_remote(settings, request)


def _first(failures: list[tuple[str, FetchTokenError]]) -> FetchTokenError:
    name, first = failures[0]
    if len(failures) == 1:
        return first
    words = "; ".join(f"{other}: {error.message}" for other, error in failures[1:])
    first.message = f"{name}: {first.message}; {words}"
    first.args = (first.message,)
    return first


def _whence(token: "Token", settings: Settings) -> str:
    from fetchtoken.domain.instants import to_rfc3339

    place = f" ({_place(token.source, settings)})"
    account = f", account {token.account}" if token.account else ""
    expiry = "at an unknown time" if token.expires_at is None else to_rfc3339(token.expires_at)
    return f"token from {token.source}{place}{account}, expires {expiry}"


def _place(source: str, settings: Settings) -> str:
    if source == "ssh":
        from fetchtoken.sources.ssh import peer_of

        return peer_of(settings)
    return settings.remote_url if source == "remote" else _file(settings)


def _file(settings: Settings) -> str:
    """Return the file that the local source read, or that it was Codex's own store."""
    from fetchtoken.codex.config import store_mode
    from fetchtoken.sources.local import find_file

    named = settings.credentials_file or settings.account or settings.openai_codex_path
    mode = "file" if named else store_mode(settings.codex_home)
    return find_file(settings, settings.account) if mode == "file" else f"store {mode}"
