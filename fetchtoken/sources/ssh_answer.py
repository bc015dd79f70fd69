"""What is run on another host, and what its answer means: a token, or which error.

Pure; trusts nothing that it reads. A refresh token in an answer is passed over and kept nowhere.
"""

from __future__ import annotations

import re
from shlex import quote

from fetchtoken.domain.errors import (
    Denied,
    FetchTokenError,
    LoginRequired,
    Malformed,
    NotFound,
    Unavailable,
    Unsafe,
)
from fetchtoken.domain.names import is_name
from fetchtoken.domain.token import CODEX_WINDOW_S
from fetchtoken.formats.codex import check_login, parse_auth_file
from fetchtoken.output import printable
from fetchtoken.sources.answer import token_in

__all__ = [
    "NOT_INSTALLED",
    "NO_FILE",
    "command_lines",
    "file_line",
    "problem",
    "token_of_command",
    "token_of_file",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fetchtoken.domain.token import Token
    from fetchtoken.ssh.run import Done

NOT_INSTALLED = 127
"""What a shell ends with where it finds no such command (POSIX.1-2017, Shell §2.8.2)."""

NO_FILE = 44
"""What :func:`file_line` ends with where there is no such file."""

_PASSED_THROUGH = {
    error.exit_code: error for error in (LoginRequired, NotFound, Unavailable, Denied, Malformed, Unsafe)
}
_HINT = "check CODEX_SSH_COMMAND, and that nothing else is printed at login there"
_LONGEST_LINE = 240
_SECRET = re.compile(
    r"[\w+/=.~-]{40,}|\b(?:rt_|sk-|eyJ|cb[ikr]_)[\w+/=.~-]*|(?:rt_|eyJ|cb[ikr]_)[\w+/=.~-]{5,}", re.ASCII
)
"""What may be a credential in somebody else's words, glued to others as well; long paths suffer too, and
names such as ``port_number``, which is no loss."""


def command_lines(command: str, account: str, min_valid_s: int) -> tuple[str, ...]:
    """Return what to run, one after another while the answer is :data:`NOT_INSTALLED`.

    The first line is the command as it is, which needs no shell there; the second looks where
    ``pip install --user`` and ``pipx`` put it.

    Args:
        command: ``CODEX_SSH_COMMAND``.
        account: the name, or an empty string for the other side's default.
        min_valid_s: the caller's demand in seconds.
    """
    line = f"{command} --account {quote(account)}" if account else command
    line = f"{line} --min-valid {min_valid_s}"
    return (line,) if "/" in command.split(maxsplit=1)[0] else (line, f"~/.local/bin/{line}")


def file_line(account: str) -> str:
    """Return what prints the host's own login: of an account, or the default one."""
    name = f"accounts/{account}.json" if is_name(account) else "auth.json"
    script = f'f="${{CODEX_HOME:-$HOME/.codex}}/{name}"; [ -e "$f" ] || exit {NO_FILE}; exec cat "$f"'
    return f"exec sh -c {quote(script)}"


def token_of_command(peer: str, done: Done, account: str) -> Token:
    """Return the token that the command printed.

    Args:
        peer: who answered, for messages.
        done: what the command did.
        account: the name that was asked for, or an empty string.

    Raises:
        FetchTokenError: it failed, or printed something else.
    """
    if done.code != 0:
        raise problem(peer, done)
    return token_in(done.out, peer, account, source="ssh", hint=_HINT)


def token_of_file(peer: str, done: Done, account: str, *, min_valid_s: float, now_s: float) -> Token:
    """Return the access token of the host's auth file, which nobody renews for us.

    Args:
        peer: who answered, for messages.
        done: what :func:`file_line` did.
        account: the name that was asked for, or an empty string.
        min_valid_s: the caller's demand in seconds.
        now_s: epoch seconds.

    Raises:
        NotFound: there is no file either.
        LoginRequired: it holds no ChatGPT login, or an expired one.
        Unavailable: the token is too short-lived.
        Malformed: it is none of Codex's, or cannot be read.
    """
    install = "install codex-token-broker there, or set CODEX_SSH_COMMAND"
    if done.code == NO_FILE:
        whose = account or "Codex"
        raise NotFound(f"{peer} has neither codex-fetchtoken nor a login of {whose}", hint=install)
    if done.code != 0:
        raise Malformed(
            f"{peer} has no codex-fetchtoken, and its auth.json cannot be read: {_said(done)}", hint=install
        )
    name = f"{peer}: accounts/{account}.json" if account else f"{peer}: auth.json"
    try:
        auth = parse_auth_file(done.out.decode(), name)
        check_login(auth)
    except UnicodeDecodeError:
        raise Malformed(f"{name} is not UTF-8 text", hint=install) from None
    except FetchTokenError as error:
        error.hint = "codex login there"
        raise
    token = auth.token(account=account, source="ssh")
    left_s = token.seconds_left(now_s)
    if left_s < CODEX_WINDOW_S:
        raise LoginRequired(f"{name}: the token is expired, and nobody renews it there", hint=install)
    if left_s < min_valid_s:
        raise Unavailable(
            f"{name}: the token has {int(left_s)} s left, under --min-valid {min_valid_s:g}",
            hint="--min-valid 0, or run codex there",
        )
    if token.expires_at is None:
        raise Malformed(f"{name}: the token does not say when it expires", hint=install)
    return token


def problem(peer: str, done: Done) -> FetchTokenError:
    """Return the error that a failed command stands for: its own, where it is one of our codes 3 to 8.

    Args:
        peer: who answered, for messages.
        done: what the command did; its words may be anything.
    """
    kind = _PASSED_THROUGH.get(done.code if done.code is not None else -1)
    if kind is not None:
        return kind(f"{peer}: {_said(done)}", hint=_advice(done) or f"look at {peer}")
    how = "was killed" if done.code is None else f"ended with status {done.code}"
    return Malformed(f"{peer}: the command {how}: {_said(done)}", hint=_HINT)


def _lines(done: Done) -> list[str]:
    """Return the words of the other side as people may see them: printable, short, without credentials."""
    lines = []
    for raw in done.err.decode("utf-8", "replace").splitlines():
        line = _SECRET.sub("…", printable(raw.strip()))
        if line:
            lines.append(line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + "…")
    return lines


def _said(done: Done) -> str:
    """Return the line that says what happened: the program's own, else the last one."""
    lines = [line for line in _lines(done) if not line.startswith(("hint: ", "note: "))]
    own = [line for program in _PROGRAMS for line in lines if line.startswith(program)]
    return _without_name(own[0]) if own else lines[-1] if lines else "it said nothing"


_PROGRAMS = ("codex-fetchtoken: ", "codex-broker: ")


def _without_name(line: str) -> str:
    for program in _PROGRAMS:
        line = line.removeprefix(program)
    return line


def _advice(done: Done) -> str:
    """Return the other side's hint; what is no option of ours is to be done there."""
    hints = [line.removeprefix("hint: ") for line in _lines(done) if line.startswith("hint: ")]
    return "" if not hints else hints[0] if hints[0].startswith("--") else f"there: {hints[0]}"
