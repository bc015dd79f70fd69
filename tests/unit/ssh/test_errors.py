"""Every error of the library and of the system has a class, one line and a hint."""

import socket

import asyncssh
import pytest

from fetchtoken.domain.errors import (
    ConfigError,
    Denied,
    FetchTokenError,
    Malformed,
    Unavailable,
    Unsafe,
)
from fetchtoken.ssh.errors import translated


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (Denied("said", hint="so"), Denied, "said"),
        (asyncssh.PermissionDenied("\x1b[31mno"), Denied, "lets us in with none"),
        (asyncssh.ProtocolError("Too many authentication failures"), Denied, "too many keys"),
        (asyncssh.HostKeyNotVerifiable("Host key is revoked for x"), Unsafe, "revoked"),
        (asyncssh.HostKeyNotVerifiable("Host CA key is not trusted"), Unsafe, "cannot be verified"),
        (asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "x"), Denied, "forbidden"),
        (asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "x"), Unavailable, "from its jump host"),
        (asyncssh.ConfigParseError("line \x1b 1"), ConfigError, "line \ufffd 1"),
        (TimeoutError(), Unavailable, "in time"),
        (ConnectionRefusedError(111, "Connection refused"), Unavailable, "Connection refused"),
        (socket.gaierror(-2, "Name or service not known"), Unavailable, "not known"),
        (asyncssh.ConnectionLost("Connection lost"), Unavailable, "broke off the connection"),
        (ConnectionResetError(104, "Connection reset by peer"), Unavailable, "broke off"),
        (BrokenPipeError(32, "Broken pipe"), Unavailable, "box broke off"),
        (asyncssh.KeyExchangeFailed("no match"), Malformed, "shares no cipher"),
        (asyncssh.ProtocolError("x"), Malformed, "does not speak SSH"),
        (asyncssh.ProtocolNotSupported("x"), Malformed, "not speak SSH"),
        (asyncssh.MACError("x"), Malformed, "speak SSH as it should"),
        (asyncssh.ServiceNotAvailable("x"), Unavailable, "box ended the connection"),
        (asyncssh.DisconnectError(asyncssh.DISC_TOO_MANY_CONNECTIONS, "x"), Unavailable, "ended"),
        (
            asyncssh.DisconnectError(asyncssh.DISC_BY_APPLICATION, "secret \x07"),
            Unavailable,
            "ended the conn",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_error_has_its_class(error: Exception, kind: type[FetchTokenError], words: str):
    """The peer is named, there is a hint, and no word of the other side is repeated."""
    found = translated(error, "box", login="try ssh -v")
    assert type(found) is kind
    assert words in found.message
    assert found.hint
    assert found.message.isprintable()
    assert "secret" not in found.message


def test_an_unexpected_error_stays_what_it_is():
    """A bug is not dressed up as a network that is down."""
    with pytest.raises(ValueError, match="a bug"):
        translated(ValueError("a bug"), "box", login="")
