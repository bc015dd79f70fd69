"""The master key file: JSON, 0600, several keys of which one is current.

::

    {"version": 1, "current": "5f1c09aa", "keys": {"5f1c09aa": "base64 of 32 bytes"},
     "since": {"5f1c09aa": "2026-11-21T06:40:00Z"}}

``since`` tells when a key was made, where that is known.

A key's id is made from the key, so a key that was swapped or cut is noticed when it is read.
"""

import os
import time
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from pathlib import Path

from broker.seal.keyring import KEY_BYTES, Keyring, key_id_of
from fetchtoken.domain.errors import ConfigError, Malformed, NotFound, Unsafe
from fetchtoken.domain.instants import parse_rfc3339, to_rfc3339
from fetchtoken.domain.jsontext import dumps, loads
from fetchtoken.files.atomic import fsync_dir, write_all
from fetchtoken.files.guard import read_private, read_text

__all__ = [
    "CREDENTIALS_VARIABLE",
    "create_keyring",
    "default_key_file",
    "is_credential",
    "keep_keyring",
    "load_keyring",
    "parse_keyring",
    "render",
]

CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"
"""systemd's directory of a unit's credentials (systemd.exec(5))."""

_NAME = "master.key"
_VERSION = 1
_BESIDES_ACL = 0o037


def default_key_file(home: Path, environ: Mapping[str, str]) -> Path:
    """Return ``$CREDENTIALS_DIRECTORY/master.key`` where systemd passed one, else the home's."""
    directory = environ.get(CREDENTIALS_VARIABLE)
    given = Path(directory, _NAME) if directory else None
    return given if given is not None and given.exists() else home / _NAME


def create_keyring(
    path: Path, random_bytes: Callable[[int], bytes] = os.urandom, now: Callable[[], float] = time.time
) -> Keyring:
    """Make a key file with one new key, durable before this returns.

    Args:
        path: the file; its directory must exist.
        random_bytes: a source of strong randomness.
        now: epoch seconds.

    Raises:
        ConfigError: there is such a file already, or it cannot be made.
    """
    ring = Keyring.new(random_bytes, str(path), now())
    keep_keyring(ring, path)
    return ring


def keep_keyring(ring: Keyring, path: Path) -> None:
    """Write a ring to a new key file, durable before this returns.

    Args:
        ring: the keys.
        path: the file; its directory must exist.

    Raises:
        ConfigError: there is such a file already, or it cannot be made.
    """
    # Whole before it has its name: a kill leaves no half key file that every later start trips over.
    draft = path.with_name(f".{path.name}.{os.urandom(6).hex()}.tmp")
    try:
        _write(draft, render(ring).encode())
        os.link(draft, path)
        fsync_dir(path.parent)
    except FileExistsError:
        raise ConfigError(f"{path} exists and is not overwritten", hint=f"ls -l {path}") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be made: {error.strerror}", hint=f"ls -ld {path.parent}") from None
    finally:
        draft.unlink(missing_ok=True)


def _write(path: Path, content: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(fd, 0o600)
        write_all(fd, content)
        os.fsync(fd)
    finally:
        os.close(fd)


def render(ring: Keyring) -> str:
    """Return the text of a key file. It holds the keys."""
    keys = {key_id: b64encode(ring.master(key_id)).decode() for key_id in sorted(ring.ids)}
    since = {key_id: to_rfc3339(at) for key_id in sorted(ring.ids) if (at := ring.since(key_id)) is not None}
    document = {"version": _VERSION, "current": ring.current, "keys": keys, "since": since}
    return dumps(document, indent=2) + "\n"


def load_keyring(path: Path, environ: Mapping[str, str] = os.environ) -> Keyring:
    """Read a key file.

    Args:
        path: the file; it must belong to the caller or root and be closed to everybody else.
        environ: where ``CREDENTIALS_DIRECTORY`` may stand.

    Raises:
        NotFound: there is none.
        Unsafe: others can read it, or a key in it is damaged.
        Malformed: it is no key file.
    """
    try:
        text = _read_credential(path) if is_credential(path, environ) else read_private(str(path))
    except NotFound:
        raise NotFound(f"there is no master key at {path}", hint="codex-broker init") from None
    return parse_keyring(text, str(path))


def is_credential(path: Path, environ: Mapping[str, str]) -> bool:
    """Tell whether a file is one that systemd passed to this unit: a copy that cannot be changed."""
    directory = environ.get(CREDENTIALS_VARIABLE)
    return bool(directory) and path.parent == Path(str(directory))


def _read_credential(path: Path) -> str:
    """Read a file that systemd placed.

    It belongs to root and carries an ACL entry for the unit's user, whose mask shows as
    group-read; the directory is closed to all others.
    """
    text = read_text(str(path), private=False)
    status = path.stat()
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & _BESIDES_ACL:
        raise Unsafe(f"{path} can be read by others", hint=f"chmod 400 {path}")
    return text


def parse_keyring(text: str, name: str) -> Keyring:
    """Return the keys in the text of a key file.

    Args:
        text: what :func:`render` made.
        name: where it came from, for messages.

    Raises:
        Malformed: it is no key file.
        Unsafe: a key in it is damaged.
    """
    broken = Malformed(f"{name} is not a master key file", hint="bring it back from where it is kept")
    try:
        document = loads(text)
    except ValueError:
        raise broken from None
    if not isinstance(document, dict) or document.get("version") != _VERSION:
        raise broken
    current, texts = document.get("current"), document.get("keys")
    if not isinstance(current, str) or not isinstance(texts, dict) or current not in texts:
        raise broken
    keys = {}
    for key_id, encoded in texts.items():
        try:
            key = b64decode(encoded, validate=True)
        except (Base64Error, TypeError, ValueError):
            raise broken from None
        if len(key) != KEY_BYTES or key_id_of(key) != key_id:
            raise Unsafe(f"master key {key_id} in {name} is damaged", hint="bring back the key file")
        keys[key_id] = key
    return Keyring(keys, current, name, _since(document.get("since")))


def _since(table: object) -> dict[str, float]:
    """Return the instants in a key file; they are told to people only, so a wrong one is no error."""
    entries = table.items() if isinstance(table, dict) else ()
    known = {str(key_id): parse_rfc3339(text) for key_id, text in entries}
    return {key_id: at for key_id, at in known.items() if at is not None}
