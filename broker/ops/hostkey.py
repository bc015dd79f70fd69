"""The SSH front door's host key: made once, kept in the home, told to people by its fingerprint."""

import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from broker.domain.sshkey import fingerprint_of_line
from fetchtoken.domain.errors import ConfigError, Malformed, NotFound
from fetchtoken.domain.secret import Secret
from fetchtoken.files.atomic import replace_file
from fetchtoken.files.guard import read_private

__all__ = ["HostKey", "load_host_key", "make_host_key"]


@dataclass(frozen=True, slots=True)
class HostKey:
    """An ed25519 key pair."""

    private: Secret
    """In OpenSSH's format."""
    public: str
    """``ssh-ed25519 AAAA…``."""

    @property
    def fingerprint(self) -> str:
        """What a person compares."""
        return fingerprint_of_line(self.public)

    def known_hosts(self, host: str, port: int) -> str:
        """Return the line of ``known_hosts`` by which ``ssh`` recognises the broker (sshd(8))."""
        return f"{host if port == 22 else f'[{host}]:{port}'} {self.public}"


def make_host_key(path: Path) -> None:
    """Make a host key where there is none; one that is there stays.

    Raises:
        ConfigError: it cannot be written.
    """
    if path.exists():
        return
    pair = Ed25519PrivateKey.generate()
    try:
        replace_file(path, pair.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    except OSError as error:
        raise ConfigError(f"{path} cannot be made: {error.strerror}", hint=f"ls -ld {path.parent}") from None


def load_host_key(path: Path) -> HostKey:
    """Read the host key.

    Raises:
        NotFound: there is none.
        Unsafe: others can read it.
        Malformed: it is no ed25519 key in OpenSSH's format, or one under a passphrase.
    """
    try:
        text = read_private(os.fspath(path))
    except NotFound:
        raise NotFound(f"there is no host key at {path}", hint="codex-broker init") from None
    try:
        pair = load_ssh_private_key(text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        pair = None
    if not isinstance(pair, Ed25519PrivateKey):
        raise Malformed(
            f"{path} is not an ed25519 key without passphrase",
            hint="bring it back from where it is kept, or move it away: the next start makes another",
        )
    public = pair.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return HostKey(Secret(text), public.decode())
