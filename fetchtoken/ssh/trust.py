"""Whether a host is who it says: what its key is compared with, and the words where it differs."""

from __future__ import annotations

import asyncssh
from asyncssh import SSHKey
from asyncssh.public_key import get_default_certificate_algs, get_default_public_key_algs

from fetchtoken.domain.errors import Unsafe
from fetchtoken.ssh.errors import UnknownHost
from fetchtoken.ssh.knownhosts import Known, fingerprint, host_pattern, key_type
from fetchtoken.ssh.target import Place

__all__ = ["Witness", "host_key_algorithms", "verdict"]

_MOST_SHOWN = 3


class Witness(asyncssh.SSHClient):
    """Remembers the key that a host shows and that nobody vouches for.

    Attributes:
        key: that key, or ``None``.
    """

    def __init__(self) -> None:
        self.key: SSHKey | None = None

    def validate_host_public_key(self, host: str, addr: str, port: int, key: SSHKey) -> bool:  # noqa: ARG002
        """Refuse every key that is not known."""
        self.key = key
        return False


def host_key_algorithms(known: Known) -> list[str]:
    """Return the algorithms to ask a host for: those of the keys that are known first, as OpenSSH does.

    A host with several keys then shows the one that can be compared, and one that no longer has
    it shows another, so that both can be named.
    """
    usual = get_default_public_key_algs()
    held = [name for key in known.keys for name in key.sig_algorithms if name in usual]
    vouched = get_default_certificate_algs() if known.authorities else []
    return [name.decode() for name in dict.fromkeys([*vouched, *held, *usual])]


def verdict(key: SSHKey, known: Known, place: Place, peer: str) -> Unsafe:
    """Return the error for a host that shows a key that is not the known one.

    Args:
        key: what it showed.
        known: what is known of it.
        place: which host it is.
        peer: how messages name it.
    """
    shown = fingerprint(key)
    same_there = f"if `ssh-keygen -lf /etc/ssh/ssh_host_{key_type(key).lower()}_key.pub` there says the same"
    if not known.keys:
        return UnknownHost(
            f"{peer}: the host is unknown, its key is {shown}",
            compare=same_there,
            host=place.known_as[0],
            port=place.known_as[1],
            key=key,
            file=place.known_hosts[0],
        )
    same = [old for old in known.keys if old.algorithm == key.algorithm] or list(known.keys)
    before = ", ".join(fingerprint(old) for old in same[:_MOST_SHOWN])
    pattern = host_pattern(*place.known_as)
    forget = f"ssh-keygen -R '{pattern}' -f {place.known_hosts[0]}"
    return Unsafe(
        f"{peer}: the host key has changed: known is {before}, shown is {shown}",
        hint=f"somebody may be in between; only {same_there}: {forget}",
    )
