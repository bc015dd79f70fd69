"""Everything that can go wrong, as one tree; the exit code belongs to the class.

::

    FetchTokenError          1    a bug: unexpected
    ├── ConfigError          2    usage or configuration
    ├── LoginRequired        3    credentials exist, but a person must log in again
    ├── NotFound             4    no credentials, account or client of that name
    ├── Unavailable          5    try later: network, broker, SSH host or issuer
    ├── Denied               6    key refused, not granted, not let in by an SSH host
    ├── Malformed            7    the other side, or a file, answered nonsense
    ├── Unsafe               8    modes, owner, host key, plain http, untrusted file
    └── Interrupted        130    Ctrl-C

An error is said in two lines: what happened, and one thing to do about it.
"""

__all__ = [
    "ConfigError",
    "Denied",
    "FetchTokenError",
    "Interrupted",
    "LoginRequired",
    "Malformed",
    "NotFound",
    "Unavailable",
    "Unsafe",
]


class FetchTokenError(Exception):
    """The root. ``str(error)`` says what happened; it never holds a secret.

    Args:
        message: what happened, one line, naming the file, key or peer.
        hint: one thing to do, or an empty string where there is none.
        code: a machine-readable word, where the other side gave one.
    """

    exit_code = 1
    """Exit status of both programs for this error."""

    def __init__(self, message: str, *, hint: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code


class ConfigError(FetchTokenError):
    """Usage or configuration: nothing was tried."""

    exit_code = 2


class LoginRequired(FetchTokenError):
    """There are credentials, but no usable token can come of them without a person."""

    exit_code = 3


class NotFound(FetchTokenError):
    """No credentials, account or client of that name."""

    exit_code = 4


class Unavailable(FetchTokenError):
    """Try later: a peer is down, or the token is expiring or in doubt and cannot be renewed now."""

    exit_code = 5


class Denied(FetchTokenError):
    """The key was refused, or the account is not granted to it."""

    exit_code = 6


class Malformed(FetchTokenError):
    """The other side, or a file, answered nonsense."""

    exit_code = 7


class Unsafe(FetchTokenError):
    """Going on would put a secret at risk."""

    exit_code = 8


class Interrupted(FetchTokenError):
    """Ctrl-C."""

    exit_code = 130
