"""Listening for SSH: what is spoken, how slow a visitor may be, and an orderly end."""

import asyncio
from contextlib import suppress
from socket import socket

import asyncssh
from asyncssh.kex import get_default_kex_algs
from asyncssh.mac import get_default_mac_algs

from broker.ops.hostkey import HostKey
from broker.sshd.door import FrontDoor
from broker.sshd.visitor import House, Visitor

__all__ = ["OpenDoor", "open_door"]

_LOGIN_WITHIN_S = 20
_ASK_ALIVE_EVERY_S = 15
_LEAVE_WITHIN_S = 1.0
_BACKLOG = 256

_NO_KEX = ("gss-", "diffie-hellman-", "rsa", "ecdh-sha2-1.3")
"""Elliptic curves and ML-KEM stay: they are what costs a server least before it knows anybody."""

_NO_MAC = ("hmac-sha1", "hmac-md5", "umac-64")


class OpenDoor:
    """A listening front door.

    Args:
        acceptor: the listener.
        house: what its visitors share.
    """

    def __init__(self, acceptor: asyncssh.SSHAcceptor, house: House) -> None:
        self._acceptor = acceptor
        self._house = house

    async def close(self, *, within_s: float) -> None:
        """Let nobody in any more, wait for commands under way, then end what is left.

        Args:
            within_s: how long commands are waited for.
        """
        self._house.is_closing = True
        self._acceptor.close()
        if self._house.work:
            await asyncio.wait(self._house.work, timeout=within_s)
        with suppress(TimeoutError):
            # Who has just got an answer hangs up by himself; cut too early, he would lose it.
            await asyncio.wait_for(self._house.is_quiet.wait(), _LEAVE_WITHIN_S)
        for visitor in list(self._house.visitors):
            visitor.leave()
        for task in self._house.work:
            task.cancel()


async def open_door(door: FrontDoor, sock: socket, host_key: HostKey) -> OpenDoor:
    """Listen.

    Args:
        door: answers commands.
        sock: a bound TCP socket.
        host_key: by which clients recognise this broker.
    """
    house = House(door)
    acceptor = await asyncssh.listen(
        sock=sock,
        backlog=_BACKLOG,
        server_factory=lambda: Visitor(house),
        server_version="codex-broker",
        server_host_keys=[asyncssh.import_private_key(host_key.private.reveal())],
        kex_algs=_without(_NO_KEX, get_default_kex_algs()),
        mac_algs=_without(_NO_MAC, get_default_mac_algs()),
        compression_algs=["none"],
        login_timeout=_LOGIN_WITHIN_S,
        keepalive_interval=_ASK_ALIVE_EVERY_S,
        public_key_auth=True,
        password_auth=False,
        kbdint_auth=False,
        host_based_auth=False,
        gss_host=None,
        allow_pty=False,
        agent_forwarding=False,
        x11_forwarding=False,
        line_editor=False,
        encoding=None,
    )
    return OpenDoor(acceptor, house)


def _without(prefixes: tuple[str, ...], names: list[bytes]) -> list[str]:
    """Return what is left of algorithms; which there are depends on the libraries of the machine."""
    kept = [name.decode() for name in names if not name.endswith(b"@ssh.com")]
    return [name for name in kept if not name.startswith(prefixes)]
