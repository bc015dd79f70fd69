"""A ``ProxyCommand`` of ``~/.ssh/config``: a program whose input and output lead to the host."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from fetchtoken.domain.errors import Unavailable
from fetchtoken.settings.keys import ALIASES, SECRET_KEYS

__all__ = ["through_command"]

_GRACE_S = 1.0


@contextmanager
def through_command(command: str, peer: str, environ: Mapping[str, str]) -> Iterator[socket.socket]:
    """Run the command as OpenSSH does, by a shell; yield our end of what leads there.

    It sees no secret of ours, and its words do not reach the terminal: they may be another host's.

    Args:
        command: as configured, with its tokens replaced.
        peer: where it leads, for messages.
        environ: what it may see.

    Raises:
        Unavailable: it cannot be started.
    """
    secrets = {*SECRET_KEYS, *(alias for alias, key in ALIASES.items() if key in SECRET_KEYS)}
    ours, theirs = socket.socketpair()
    try:
        process = subprocess.Popen(  # noqa: S603 - the caller's own configuration
            ["/bin/sh", "-c", f"exec {command}"],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=subprocess.DEVNULL,
            env={key: value for key, value in environ.items() if key not in secrets},
        )
    except OSError as error:
        ours.close()
        raise Unavailable(
            f"{peer}: its ProxyCommand cannot be run: {error.strerror}", hint="look at ~/.ssh/config"
        ) from None
    finally:
        theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.terminate()
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
