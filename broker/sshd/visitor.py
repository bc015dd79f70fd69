"""One SSH connection: who it is, what it may open, and when it has outstayed."""

import asyncio
from collections.abc import Coroutine

import asyncssh
import structlog

from broker.access.addresses import plain_address
from broker.access.gate import Trial
from broker.access.refused import Refused
from broker.domain.sshkey import fingerprint_of
from broker.sshd.crowd import Crowd
from broker.sshd.door import FrontDoor
from broker.sshd.session import Channel, Session

__all__ = ["House", "Visitor"]

_IDLE_S = 300.0
"""A connection without a command under way is ended; multiplexing clients simply connect again."""

_MOST_OFFERS = 30
"""Keys shown in one connection: more than agents hold, and few for a guesser."""

_MOST_NAMES = 3
"""User names in one connection; they mean nothing here, but each costs work."""

_MOST_SESSIONS = 10
_RSA_SHA2 = frozenset({b"rsa-sha2-256", b"rsa-sha2-512"})
"""RSA signatures that count: not those over SHA-1 (RFC 8332)."""

_log = structlog.get_logger("broker.ssh")


class House:
    """What all visitors share.

    Args:
        door: answers their commands.
    """

    def __init__(self, door: FrontDoor) -> None:
        self.door = door
        self.crowd = Crowd()
        self.visitors: set[Visitor] = set()
        self.work: set[asyncio.Task[None]] = set()
        """Commands under way."""
        self.is_closing = False
        self.is_quiet = asyncio.Event()
        """No session is open."""
        self.is_quiet.set()
        self._sessions = 0

    def opened(self) -> None:
        """Count one more open session."""
        self._sessions += 1
        self.is_quiet.clear()

    def closed(self) -> None:
        """Count one less."""
        self._sessions -= 1
        if not self._sessions:
            self.is_quiet.set()


class Visitor(asyncssh.SSHServer):
    """Lets in whoever shows and proves a live client's key; everything but commands is refused.

    Args:
        house: what it shares with the others.
    """

    def __init__(self, house: House) -> None:
        self.peer = ""
        self.fingerprint = ""
        """Of the key that was proved; empty before."""
        self._sessions = 0
        self._house = house
        self._connection: asyncssh.SSHServerConnection
        self._inside = False
        self._shown: Trial | None = None
        """The key that was found good last; its proof follows at once, or another key."""
        self._paid: Trial | None = None
        """What this connection's first refused key cost."""
        self._offers = self._names = 0
        self._is_told = False
        self._busy = 0
        self._idle: asyncio.TimerHandle | None = None

    # Connecting.

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Take a place, or leave."""
        self._connection = conn
        self.peer = plain_address(str((conn.get_extra_info("peername") or ("local",))[0]))
        self._inside = not self._house.is_closing and self._house.crowd.enter(self.peer)
        if not self._inside:
            _log.warning("ssh_connection_refused", peer=self.peer, reason="too many at once, or stopping")
            conn.abort()
            return
        self._house.visitors.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the library's hook
        """Give the place back."""
        self._rest()
        if self._inside:
            self._house.crowd.leave(self.peer)
            self._house.visitors.discard(self)
            self._inside = False

    # Proving who one is. Passwords, host keys and all else are off by default.

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002 - any name will do
        """Want a proof, whatever name is given: the key alone says who it is."""
        self._names += 1
        if self._names > _MOST_NAMES:
            self._turn_away("too many user names")
        return True

    def public_key_auth_supported(self) -> bool:
        """Take public keys."""
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:  # noqa: ARG002 - same
        """Tell whether a key is that of a live client; the library then has it proved."""
        door, self._shown = self._house.door, None
        self._offers += 1
        if self._offers > _MOST_OFFERS:
            self._turn_away("too many keys")
            return False
        fingerprint = fingerprint_of(key.public_data)
        try:
            trial = door.gate.trial(self.peer, fingerprint, door.ticks())
        except Refused as refused:
            self._tell(f"codex-broker: {refused.detail}; try again in {refused.retry_after_s} s\n")
            return False
        if door.client(fingerprint) is None:
            if self._paid is None:
                # One for each connection: agents show all their keys until one is taken.
                door.gate.failed(trial, door.ticks())
                self._paid = trial
            return False
        if key.get_algorithm() == "ssh-rsa":
            key.all_sig_algorithms = set(_RSA_SHA2)
        self._shown, self.fingerprint = trial, fingerprint
        return True

    def auth_completed(self) -> None:
        """Remember that this key was good from here, and forgive what was shown before it."""
        gate, ticks_s = self._house.door.gate, self._house.door.ticks()
        if self._shown is not None:
            gate.passed(self._shown, ticks_s)
        if self._paid is not None:
            gate.forgive(self._paid, ticks_s)
        self._wait()

    # What may be opened: commands. Every kind of forwarding is refused by default.

    def session_requested(self) -> tuple[Channel, Session] | bool:
        """Let a command come."""
        if self._sessions >= _MOST_SESSIONS:
            return False
        self._sessions += 1
        self._house.opened()
        return Channel.of(self._connection), Session(self, self._house.door)

    def session_closed(self) -> None:
        """Free the place of one command."""
        self._sessions -= 1
        self._house.closed()

    def start(self, work: Coroutine[None, None, None]) -> None:
        """Do a command's work; the connection stays open meanwhile."""
        task = asyncio.get_running_loop().create_task(work)
        self._house.work.add(task)
        self._busy += 1
        self._rest()
        task.add_done_callback(self._did)

    @property
    def is_closing(self) -> bool:
        """Whether no new command is begun."""
        return self._house.is_closing

    def leave(self) -> None:
        """End the connection in order."""
        self._connection.disconnect(asyncssh.DISC_BY_APPLICATION, "the broker is stopping")

    def _did(self, task: asyncio.Task[None]) -> None:
        self._house.work.discard(task)
        self._busy -= 1
        if self._inside and not self._busy:
            self._wait()

    def _wait(self) -> None:
        self._rest()
        self._idle = asyncio.get_running_loop().call_later(_IDLE_S, self._turn_away, "idle for too long")

    def _rest(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _tell(self, text: str) -> None:
        if not self._is_told:
            self._is_told = True
            self._connection.send_auth_banner(text)

    def _turn_away(self, reason: str) -> None:
        self._connection.disconnect(asyncssh.DISC_BY_APPLICATION, reason)
