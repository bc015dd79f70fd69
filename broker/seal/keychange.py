"""Changing a key file that is in use: the whole file anew, durable before a new key seals anything."""

import errno
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from broker.seal.keyfile import is_credential, load_keyring, render
from broker.seal.keyring import Keyring
from fetchtoken.domain.errors import ConfigError
from fetchtoken.files.atomic import fsync_dir, replace_file, sweep

__all__ = ["check_changeable", "keys_in_force", "replace_key_file", "settle_key_file"]

_NOT_OURS_TO_WRITE = frozenset({errno.EROFS, errno.EACCES, errno.EPERM, errno.EBUSY, errno.ENOENT})

_BY_A_COPY = (
    "stop the broker, run CODEX_BROKER_SEAL_KEY_FILE=COPY codex-broker key rotate with a writable copy,"
    " and have the broker given that file from then on"
)
_BY_MENDING = "free or mend the disk, then run it again"


def settle_key_file(path: Path) -> None:
    """Finish what a kill left of a replacement: its draft goes, the file that stands becomes durable.

    A kill between the rename and the directory's fsync leaves a file that a power failure could
    still take back, after its new key had sealed something. Nobody may be replacing the file.

    Args:
        path: the key file. Where it cannot be written nothing was replaced either.
    """
    with suppress(OSError):
        sweep(path)
        fsync_dir(path.resolve().parent)


def keys_in_force(ring: Keyring, environ: Mapping[str, str] = os.environ) -> Keyring:
    """Read the key file again, and return what it and a ring made from it earlier hold together.

    A key in the file that the ring lacks was written by a replacement that was not confirmed: it is
    current then. A former key that only the ring has is kept.

    Args:
        ring: the keys in use.
        environ: where ``CREDENTIALS_DIRECTORY`` may stand.

    Raises:
        NotFound, Unsafe, Malformed: as :func:`load_keyring`.
        ConfigError: the file lacks the current key: it is another one's.
    """
    written = load_keyring(Path(ring.source), environ)
    if ring.current not in written.ids:
        raise ConfigError(
            f"{ring.source} lacks key {ring.current}, which this broker works with",
            hint="bring the right key file back, before anything else",
        )
    if written.current in ring.ids:
        return ring.and_all_of(written)
    return written.and_all_of(ring)


def check_changeable(path: Path, environ: Mapping[str, str] = os.environ) -> None:
    """Raise where a key file is not to be changed at all.

    Raises:
        ConfigError: systemd passed it, read-only.
    """
    if is_credential(path, environ):
        raise ConfigError(
            f"the master key {path} is systemd's copy of a credential, and cannot be changed there",
            hint=_BY_A_COPY,
        )


def replace_key_file(path: Path, ring: Keyring, environ: Mapping[str, str] = os.environ) -> None:
    """Write a ring in the place of a key file, durable before this returns.

    Args:
        path: the file, which exists; its mode stays.
        ring: all the keys that it is to hold.
        environ: where ``CREDENTIALS_DIRECTORY`` may stand.

    Raises:
        ConfigError: it cannot be written. The old file stands, or, where only the last fsync
            failed, the new one, which may not outlive a power failure: its new key is not to be used.
    """
    check_changeable(path, environ)
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        sweep(path)
        replace_file(path, render(ring).encode(), mode=mode)
    except OSError as error:
        raise ConfigError(
            f"the master key {path} cannot be written: {error.strerror}",
            hint=_BY_A_COPY if error.errno in _NOT_OURS_TO_WRITE else _BY_MENDING,
        ) from None
