"""The formats of one result, and writing it so that a failure is not missed."""

import os

from fetchtoken.domain.errors import Malformed, Unavailable
from fetchtoken.domain.instants import to_rfc3339
from fetchtoken.domain.jsontext import dumps

__all__ = ["Stream", "emit", "environment", "opencode_entry", "printable", "quote", "render"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fetchtoken.domain.token import Token

_POWERSHELL_QUOTES = "'\u2018\u2019\u201a\u201b"
"""Each of them opens and closes a string in PowerShell."""


class Stream:
    """A file descriptor that takes text as UTF-8, unbuffered, whatever the locale says.

    Args:
        fd: the descriptor, or -1 where the caller closed it before starting the command.
    """

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def write(self, text: str) -> None:
        """Write all of a text.

        Raises:
            OSError: a part may have been written.
        """
        data = text.encode("utf-8", "backslashreplace")
        while data:
            data = data[os.write(self.fd, data) :]

    def tell(self, text: str) -> None:
        """Write a text for people; where nobody listens, the command goes on."""
        try:  # noqa: SIM105 - contextlib costs start-up time
            self.write(text)
        except OSError:
            pass

    def note(self, text: str) -> None:
        """Tell people one thing that is no error."""
        self.tell(f"note: {printable(text)}\n")

    def isatty(self) -> bool:
        """Tell whether people read it."""
        return self.fd >= 0 and os.isatty(self.fd)


def emit(stdout: Stream, text: str) -> None:
    """Write data to standard output.

    Raises:
        Unavailable: it did not arrive: a full disk, a reader that went away.
    """
    try:
        stdout.write(text)
    except OSError as error:
        raise Unavailable(
            f"standard output cannot be written: {error.strerror}", hint="look at what it leads to"
        ) from None


def printable(text: str) -> str:
    """Return a text in which nothing is left on which a terminal would act."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


def render(token: "Token", form: str, shell: str, now_s: float) -> str:
    """Return a token in one of the formats, with the newline at its end.

    Args:
        token: the token.
        form: one of ``FORMATS``.
        shell: one of ``SHELLS``, for ``env``.
        now_s: epoch seconds.

    Raises:
        Malformed: the token cannot be said in that format.
    """
    bearer = _bearer(token)
    if form == "token":
        return bearer + "\n"
    if form == "header":
        return f"Authorization: Bearer {bearer}\n"
    if form == "env":
        return _env(token, shell)
    if form == "json":
        return dumps(_json(token, bearer, now_s)) + "\n"
    if form == "opencode":
        return dumps({"openai": opencode_entry(token)}) + "\n"
    from fetchtoken.formats.codex import access_only_document

    return dumps(access_only_document(token, now_s=now_s), indent=2) + "\n"


def _bearer(token: "Token") -> str:
    bearer = token.access_token.reveal()
    if not bearer or not bearer.isascii() or not bearer.isprintable() or " " in bearer:
        raise Malformed(f"the {token.source} source gave something that is no token", hint="--verbose")
    return bearer


def _expires_at(token: "Token") -> str | None:
    return None if token.expires_at is None else to_rfc3339(token.expires_at)


def _json(token: "Token", bearer: str, now_s: float) -> dict[str, object]:
    return {
        "access_token": bearer,
        "token_type": "Bearer",
        "expires_at": _expires_at(token),
        "expires_in": None if token.expires_at is None else max(0, int(token.expires_at - now_s)),
        "account": token.account or None,
        "account_id": token.account_id or None,
        "plan_type": token.plan_type or None,
        "source": token.source,
    }


def opencode_entry(token: "Token") -> dict[str, object]:
    """Return what opencode keeps of a token that it uses and cannot refresh.

    Raises:
        Malformed: the token does not say when it expires.
    """
    if token.expires_at is None:
        raise Malformed(
            "the token does not say when it expires, which opencode must know", hint="--format token"
        )
    entry: dict[str, object] = {
        "type": "oauth",
        "refresh": "",
        "access": token.access_token.reveal(),
        "expires": token.expires_at * 1000,
    }
    if token.account_id:
        entry["accountId"] = token.account_id
    return entry


def environment(token: "Token") -> dict[str, str]:
    """Return the variables that carry a token.

    Raises:
        Malformed: the token cannot be said in an environment.
    """
    bearer = _bearer(token)
    if not token.account_id.isprintable():
        raise Malformed(
            "the token's account id holds a character that cannot be printed", hint="--format token"
        )
    return {
        "OPENAI_CODEX_ACCESS_TOKEN": bearer,
        "OPENAI_CODEX_ACCOUNT_ID": token.account_id,
        "OPENAI_CODEX_EXPIRES_AT": _expires_at(token) or "",
    }


def _env(token: "Token", shell: str) -> str:
    values = environment(token)
    start, between = {
        "bash": ("export ", "="),
        "fish": ("set -gx ", " "),
        "powershell": ("$env:", " = "),
    }[shell]
    return "".join(f"{start}{key}{between}{quote(value, shell)}\n" for key, value in values.items())


def quote(text: str, shell: str) -> str:
    """Return a text in single quotes, as a shell reads them.

    Args:
        text: what the shell must see, without line breaks.
        shell: ``bash`` (and every POSIX shell), ``fish`` or ``powershell``.
    """
    if shell == "fish":
        text = text.replace("\\", "\\\\").replace("'", "\\'")
    elif shell == "powershell":
        text = "".join(char * 2 if char in _POWERSHELL_QUOTES else char for char in text)
    else:
        text = text.replace("'", "'\\''")
    return f"'{text}'"
