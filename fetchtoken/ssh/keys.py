"""Who we are: the keys to offer a host, from the agent and from files, in the order of OpenSSH."""

from __future__ import annotations

import os
from dataclasses import dataclass

import asyncssh
from asyncssh import SSHKeyPair

from fetchtoken.domain.errors import ConfigError, FetchTokenError
from fetchtoken.files.guard import read_private, read_text
from fetchtoken.ssh.errors import LockedKey
from fetchtoken.ssh.target import Place, Target

__all__ = ["Ring", "open_ring"]


@dataclass(frozen=True)
class Ring:
    """What can be offered, and what could not.

    Attributes:
        pairs: the keys, first to last.
        locked: encrypted files whose keys no agent holds.
        passed_over: why other files are not used, for people.
        agent: to be closed when the host has let us in.
    """

    pairs: tuple[SSHKeyPair, ...]
    locked: tuple[str, ...]
    passed_over: tuple[str, ...]
    agent: asyncssh.SSHAgentClient | None


async def open_ring(target: Target, place: Place) -> Ring:
    """Return the keys for a host.

    A key that the settings name is offered alone. Without one the agent's keys come first, then
    those of the files that ``~/.ssh/config`` names, else the usual ones.

    Raises:
        ConfigError: the key that the settings name is none.
        LockedKey: it is encrypted, and nobody holds or knows what opens it.
        Unsafe: others can read it.
    """
    files = [_File(path, target, place) for path in place.key_files]
    needs_agent = not target.key or files[0].pairs == ()
    agent, held = await _agent_keys(place.agent) if needs_agent else (None, ())
    named = [file.public for file in files if file.public]
    offered = [pair for pair in held if not place.only_these or pair.public_data in named]
    known = {pair.public_data for pair in offered}
    locked = [file.path for file in files if file.locked and file.public not in known]
    own = [pair for file in files for pair in file.pairs if pair.public_data not in known]
    if target.key and not offered and not own:
        if locked:
            raise LockedKey(target.key)
        raise ConfigError(
            f"CODEX_SSH_KEY {target.key} is a public key, and no agent holds the private one",
            hint="ssh-add, or name the private key's file",
        )
    passed_over = tuple(file.fault for file in files if file.fault)
    return Ring((*offered, *own), tuple(locked), passed_over, agent)


async def _agent_keys(path: str) -> tuple[asyncssh.SSHAgentClient | None, tuple[SSHKeyPair, ...]]:
    if not path:
        return None, ()
    agent = asyncssh.SSHAgentClient(path)
    try:
        return agent, tuple(await agent.get_keys())
    except (OSError, ValueError):  # no agent there: then only files count
        return None, ()


class _File:
    """One key file: its pairs, or its public half where it is encrypted or only that is there.

    A file that is named by the settings must be good; of the others, what is wrong is a fault.
    """

    def __init__(self, path: str, target: Target, place: Place) -> None:
        self.path = path
        self.pairs: tuple[SSHKeyPair, ...] = ()
        self.public = b""
        self.locked = False
        self.fault = ""
        try:
            self._read(target, place)
        except FetchTokenError as error:
            if target.key:
                raise
            self.fault = error.message

    def _read(self, target: Target, place: Place) -> None:
        self.public = _public_half(self.path)
        if not os.path.exists(self.path) or "PRIVATE KEY" not in read_text(self.path, private=False):
            if not self.public:
                raise ConfigError(f"{self.path} is no SSH key", hint="name a private key's file")
            return
        read_private(self.path)
        phrase = target.passphrases.get(self.path)
        try:
            self.pairs = tuple(
                asyncssh.load_keypairs(
                    [self.path], phrase.reveal() if phrase else None, list(place.certificates)
                )
            )
        except (asyncssh.KeyEncryptionError, asyncssh.KeyImportError) as error:
            if phrase is None and str(error).startswith("Passphrase"):
                self.locked = True
                return
            what = "the passphrase does not open" if phrase else "the library cannot read"
            raise ConfigError(f"{what} the key {self.path}", hint=f"ssh-keygen -y -f {self.path}") from None
        self.public = self.pairs[0].public_data


def _public_half(path: str) -> bytes:
    """Return the public key of a file or of the one beside it, or an empty text."""
    for name in (path, path + ".pub"):
        try:
            return asyncssh.read_public_key(name).public_data
        except (OSError, ValueError):
            continue
    return b""
