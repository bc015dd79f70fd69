"""How a conversation over SSH can fail, in the words and classes of the tree.

::

    Unsafe           8
    └── UnknownHost      a person may compare its fingerprint, and say yes
    ConfigError      2
    └── LockedKey        a person may type its passphrase
"""

from __future__ import annotations

import asyncssh
from asyncssh import SSHKey

from fetchtoken.domain.errors import (
    ConfigError,
    Denied,
    FetchTokenError,
    Malformed,
    Unavailable,
    Unsafe,
)
from fetchtoken.net.errors import words_of
from fetchtoken.output import printable

__all__ = ["LockedKey", "UnknownHost", "translated"]


class UnknownHost(Unsafe):
    """A host whose key is in no known_hosts file.

    Attributes:
        compare: how to tell whether its key is the right one, as a condition.
        host, port: under which it is looked up.
        key: the key that it showed.
        file: where to add it.
    """

    def __init__(  # noqa: PLR0913 - a record; every field is named at the call
        self, message: str, *, compare: str, host: str, port: int, key: SSHKey, file: str
    ) -> None:
        super().__init__(message, hint=f"{compare}: run this at a terminal, or ssh to it once")
        self.compare = compare
        self.host = host
        self.port = port
        self.key = key
        self.file = file


class LockedKey(ConfigError):
    """A key file that its passphrase protects.

    Attributes:
        path: the file.
    """

    def __init__(self, path: str) -> None:
        super().__init__(
            f"the key {path} is encrypted, no agent holds it, and there is no terminal to ask at",
            hint=f"ssh-add {path}",
        )
        self.path = path


def translated(error: Exception, peer: str, *, login: str) -> FetchTokenError:
    """Return what an error of the library, or of the system, means for the command.

    The other side's own words are in few of them, and are not repeated.

    Args:
        error: what was caught.
        peer: the host.
        login: what to do where the host does not let us in.
    """
    if isinstance(error, FetchTokenError):
        return error
    if isinstance(error, asyncssh.ConfigParseError):
        return ConfigError(f"~/.ssh/config: {printable(str(error))}", hint="ssh -G HOST shows what it says")
    if isinstance(error, TimeoutError):
        return Unavailable(f"{peer} does not answer in time", hint="a longer --timeout, or try again later")
    if isinstance(error, asyncssh.ConnectionLost | ConnectionResetError | BrokenPipeError):
        return Unavailable(f"{peer} broke off the connection", hint="try again, or look at its log")
    if isinstance(error, OSError):
        return Unavailable(f"{peer} cannot be reached: {words_of(error)}", hint="check CODEX_SSH_HOST")
    if isinstance(error, asyncssh.PermissionDenied):
        return Denied(f"{peer} lets us in with none of our keys", hint=login)
    if isinstance(error, asyncssh.ChannelOpenError):
        return _not_opened(error, peer)
    if isinstance(error, asyncssh.DisconnectError):
        return _disconnected(error, peer)
    raise error


def _not_opened(error: asyncssh.ChannelOpenError, peer: str) -> FetchTokenError:
    """Return what it means that a host leads no further, or lets nothing run."""
    if error.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
        return Denied(f"{peer}: the way there is forbidden", hint="ask whoever runs the jump host")
    return Unavailable(f"{peer} cannot be reached from its jump host", hint="try again later")


def _disconnected(error: asyncssh.DisconnectError, peer: str) -> FetchTokenError:
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        what = "is revoked in known_hosts" if "revoked" in error.reason else "cannot be verified"
        return Unsafe(f"{peer}: its host key {what}", hint="ask whoever runs it")
    if "authentication failures" in error.reason:  # sshd(8) says so with the code of a protocol error
        return Denied(f"{peer} ended the connection after too many keys", hint="set CODEX_SSH_KEY")
    if isinstance(error, asyncssh.KeyExchangeFailed):
        return Malformed(f"{peer} shares no cipher or key type with us", hint="try ssh -v")
    if isinstance(error, asyncssh.ProtocolError | asyncssh.ProtocolNotSupported | asyncssh.MACError):
        return Malformed(f"{peer} does not speak SSH as it should", hint="check CODEX_SSH_HOST and its port")
    return Unavailable(f"{peer} ended the connection", hint="try again later, or look at its log")
