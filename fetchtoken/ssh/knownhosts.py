"""Which host keys are trusted: OpenSSH's ``known_hosts`` files (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).

A host is looked up by its name, and by its address only where that is what was asked for, as
OpenSSH does since 8.5; otherwise whoever owns a trusted address could answer for any name.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from asyncssh import SSHKey, SSHKnownHosts

from fetchtoken.domain.errors import Malformed, NotFound, Unsafe
from fetchtoken.files.guard import read_text

__all__ = ["Known", "KnownHosts", "add_line", "fingerprint", "host_pattern", "key_type"]

_LIMIT = 8 << 20
_DEFAULT_PORT = 22
_TYPES = {"ssh-ed25519": "ED25519", "ssh-rsa": "RSA", "ssh-dss": "DSA", "ssh-ed448": "ED448"}


@dataclass(frozen=True)
class Known:
    """What is known of one host: its keys, authorities that may vouch for one, and revoked keys."""

    keys: tuple[SSHKey, ...]
    authorities: tuple[SSHKey, ...]
    revoked: tuple[SSHKey, ...]


class KnownHosts:
    """The lines of some files; one that is missing is empty, a line that makes no sense is passed over.

    Args:
        files: absolute paths; a new host is added to the first.

    Raises:
        Unsafe: a file may not be read.
        Malformed: it is no text, or too large.
    """

    def __init__(self, files: tuple[str, ...]) -> None:
        self.files = files
        self._known = SSHKnownHosts()
        for path in files:
            for line in _lines(path):
                try:
                    self._known.load(line)
                except ValueError:  # as OpenSSH does: what is not understood vouches for nobody
                    continue

    def of(self, host: str, port: int) -> Known:
        """Return what is known of a host."""
        found = self._known.match(host.lower(), "", port if port != _DEFAULT_PORT else None)
        return Known(tuple(found[0]), tuple(found[1]), tuple(found[2]))


def _lines(path: str) -> list[str]:
    try:
        return read_text(path, private=False, limit=_LIMIT).splitlines()
    except NotFound:
        return []
    except Malformed:
        if os.path.exists(path) and not os.path.isfile(path):  # UserKnownHostsFile /dev/null
            return []
        raise


def fingerprint(key: SSHKey) -> str:
    """Return a key's type and SHA-256 as OpenSSH prints them: ``ED25519 SHA256:…``."""
    return f"{key_type(key)} {key.get_fingerprint()}"


def key_type(key: SSHKey) -> str:
    """Return a key's type in OpenSSH's words."""
    name = key.algorithm.decode("ascii", "replace")
    return _TYPES.get(name, "ECDSA" if name.startswith("ecdsa-") else name)


def host_pattern(host: str, port: int) -> str:
    """Return how ``known_hosts`` names a host: with brackets where the port is not 22."""
    return host.lower() if port == _DEFAULT_PORT else f"[{host.lower()}]:{port}"


def add_line(path: str, host: str, port: int, key: SSHKey) -> None:
    """Append a host's key to a file, in one write, so that no other program's line is torn.

    The file and its directory are made where there are none (0600, 0700).

    Raises:
        Unsafe: it cannot be written.
    """
    text = key.export_public_key("openssh").decode().split()
    line = f"{host_pattern(host, port)} {text[0]} {text[1]}\n"
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            size = os.fstat(fd).st_size
            ends = size == 0 or os.pread(fd, 1, size - 1) == b"\n"
            os.write(fd, (line if ends else "\n" + line).encode())
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise Unsafe(f"{path} cannot be written: {error.strerror}", hint=f"ls -l {path}") from None
