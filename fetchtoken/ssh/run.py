"""One command on a connection, with bounds on what it may send."""

from __future__ import annotations

from dataclasses import dataclass

import asyncssh

from fetchtoken.domain.errors import Malformed
from fetchtoken.ssh.errors import translated

__all__ = ["Done", "run"]

_MOST_OUT = 256 * 1024
_MOST_ERR = 64 * 1024


@dataclass(frozen=True)
class Done:
    """What a command did.

    Attributes:
        code: its exit status, or ``None`` where a signal ended it or it did not say.
        out: standard output.
        err: standard error.
    """

    code: int | None
    out: bytes
    err: bytes


class _Collector(asyncssh.SSHClientSession[bytes]):
    """Takes what a command sends, up to a limit for each stream; what comes after it ends the channel."""

    def __init__(self) -> None:
        self.out = bytearray()
        self.err = bytearray()
        self.too_much = False
        self.lost: Exception | None = None
        self._channel: asyncssh.SSHClientChannel[bytes] | None = None

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        self._channel = chan

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = exc

    def data_received(self, data: bytes, datatype: int | None) -> None:
        taken, most = (self.err, _MOST_ERR) if datatype else (self.out, _MOST_OUT)
        if len(taken) + len(data) <= most:
            taken += data
        elif not self.too_much and self._channel is not None:
            self.too_much = True
            self._channel.abort()


async def run(connection: asyncssh.SSHClientConnection, line: str, peer: str) -> Done:
    """Run one command line without a terminal, its standard input at its end.

    Args:
        connection: to the host.
        line: what its shell, or what stands in its place, is given.
        peer: the host, for messages.

    Raises:
        Malformed: it sends more than any token needs.
        FetchTokenError: the connection, as ``translated`` says.
    """
    try:
        return await _run(connection, line, peer)
    except (asyncssh.Error, OSError) as error:
        raise translated(error, peer, login="") from None


async def _run(connection: asyncssh.SSHClientConnection, line: str, peer: str) -> Done:
    session = _Collector()
    channel, _ = await connection.create_session(lambda: session, command=line, encoding=None)
    channel.write_eof()
    await channel.wait_closed()
    if session.too_much:
        raise Malformed(
            f"{peer} sends more than a token", hint="check CODEX_SSH_COMMAND, and what is printed at login"
        )
    if session.lost is not None:
        raise session.lost
    status = channel.get_exit_status()
    return Done(
        status if status is not None and status >= 0 else None, bytes(session.out), bytes(session.err)
    )
