"""One command of a connection: taken, answered, ended with its exit status."""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import asyncssh

from broker.sshd.answers import failure
from broker.sshd.door import FrontDoor
from fetchtoken.domain.errors import Unavailable

if TYPE_CHECKING:
    from broker.sshd.visitor import Visitor

__all__ = ["Channel", "Session"]

_WINDOW = 16_384
"""Bytes that a client may send before we take note; nothing here reads any."""

_PACKET = 16_384


class Channel(asyncssh.SSHServerChannel[bytes]):
    """A channel for a command's output; what no command looks at is not kept."""

    @classmethod
    def of(cls, connection: asyncssh.SSHServerConnection) -> "Channel":
        """Return a new one, of bytes, without terminal or line editor."""
        return cls(
            connection,
            asyncio.get_running_loop(),
            allow_pty=False,
            line_editor=False,
            line_echo=False,
            line_history=0,
            max_line_length=0,
            encoding=None,
            errors="strict",
            window=_WINDOW,
            max_pktsize=_PACKET,
        )

    def _process_env_request(self, packet: asyncssh.packet.SSHPacket) -> bool:
        """Refuse an environment variable (RFC 4254 §6.4): the library would keep any number of them."""
        packet.get_remaining_payload()
        return False


class Session(asyncssh.SSHServerSession[bytes]):
    """Answers one command, or one wish for a shell, with words and an exit status.

    Args:
        visitor: whose it is.
        door: answers.
    """

    def __init__(self, visitor: "Visitor", door: FrontDoor) -> None:
        self._visitor = visitor
        self._door = door
        self._line: str | None = None
        self._channel: asyncssh.SSHServerChannel[bytes]

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        """Keep where to answer."""
        self._channel = chan

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the library's hook
        """Free the place of one session."""
        self._visitor.session_closed()

    def exec_requested(self, command: str) -> bool:
        """Take a command."""
        self._line = command
        return True

    def shell_requested(self) -> bool:
        """Take the wish for a shell: it is answered with what there is instead."""
        return True

    def session_started(self) -> None:
        """Answer."""
        self._visitor.start(self._answer())

    def eof_received(self) -> bool:
        """Go on: a caller without input still wants its answer."""
        return True

    async def _answer(self) -> None:
        if self._visitor.is_closing:
            answer = failure(Unavailable("the broker is stopping", hint="try again in a minute"))
        else:
            visitor = self._visitor
            answer = await self._door.answer(self._line, visitor.fingerprint, visitor.peer)
        with suppress(OSError):  # the caller has gone
            if answer.out:
                self._channel.write(answer.out.encode())
            if answer.err:
                self._channel.write_stderr(answer.err.encode())
            self._channel.exit(answer.code)
