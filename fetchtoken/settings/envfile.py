"""One ``scorpiox-env.txt``: whether it may be looked at, reading it, and what its lines say."""

import os

from fetchtoken.domain.errors import ConfigError
from fetchtoken.settings.keys import ALIASES, KINDS

__all__ = ["EnvFile", "Tier", "parse_lines", "read_env_file", "read_tier", "why_ignored"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_LIMIT = 1 << 20
_LONGEST_KEY = 64
_LONGEST_VALUE = 4096
_REGULAR = 0o100000
_OTHERS_WRITE = 0o002


class EnvFile:
    """One file as it was read.

    Attributes:
        path: where it stands.
        data: its bytes, for hashing what was parsed and nothing else.
        status: ``fstat`` of the descriptor it was read through.
    """

    __slots__ = ("data", "path", "status")

    def __init__(self, path: str, data: bytes, status: os.stat_result) -> None:
        self.path = path
        self.data = data
        self.status = status


class Tier:
    """One file's lines.

    Attributes:
        file: what was read.
        values: key → (value, line number, key as written).
        trusted: whether all its keys count; ``False`` for a project's file.
    """

    __slots__ = ("file", "trusted", "values")

    def __init__(self, file: "EnvFile", values: dict[str, tuple[str, int, str]], *, trusted: bool) -> None:
        self.file = file
        self.values = values
        self.trusted = trusted


def read_env_file(
    path: str, fd: int, seen: set[tuple[int, int]], complain: "Callable[[str], None]"
) -> EnvFile | None:
    """Read an open file to its end and close it, unless it was read before.

    Args:
        path: where it stands.
        fd: the descriptor; it is closed in any case.
        seen: device and inode of the files read so far; this one's is added.
        complain: told when it is no regular file, or too large; may raise.
    """
    try:
        status = os.fstat(fd)
        identity = (status.st_dev, status.st_ino)
        if identity in seen:
            return None
        seen.add(identity)
        if status.st_mode & 0o170000 != _REGULAR:
            complain(f"{path} is not a regular file")
            return None
        data = b""
        while chunk := os.read(fd, 65536):
            data += chunk
            if len(data) > _LIMIT:
                complain(f"{path} is larger than {_LIMIT} bytes")
                return None
    finally:
        os.close(fd)
    return EnvFile(path, data, status)


def read_tier(
    path: str, fd: int, seen: set[tuple[int, int]], notes: list[str], *, trusted: bool
) -> Tier | None:
    """Read one file of the cascade, or return ``None`` where it was read before or is ignored.

    Args:
        path: where it stands.
        fd: the descriptor; it is closed.
        seen: as for :func:`read_env_file`.
        notes: takes why a project's file, or a line of it, is ignored.
        trusted: ``False`` for a project's file, which cannot stop the command.

    Raises:
        ConfigError: a trusted file has a malformed line, or is no file.
    """

    def complain(message: str) -> None:
        if trusted:
            raise ConfigError(message, hint="correct the file, or move it away")
        notes.append(f"ignored: {message}")

    file = read_env_file(path, fd, seen, complain)
    if file is None:
        return None
    if not trusted and (reason := why_ignored(path, file.status)):
        notes.append(f"{path} is ignored: {reason}")
        return None
    return Tier(file, parse_lines(file, complain), trusted=trusted)


def parse_lines(file: EnvFile, complain: "Callable[[str], None]") -> dict[str, tuple[str, int, str]]:
    """Return key → (value, line number, key as written) for the keys that are ours.

    A value too long, not UTF-8 or with a NUL is complained about only where the key is ours.

    Args:
        file: the file.
        complain: takes ``FILE:LINE: what is wrong``; when it returns, the line is passed over.
    """
    found: dict[str, tuple[str, int, str]] = {}
    for number, raw in enumerate(file.data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        line = raw.strip()
        if not line or line.startswith(b"#"):
            continue
        left, equals, right = line.partition(b"=")
        name = left.strip().decode("utf-8", "replace")
        if fault := _key_fault(name, equals):
            complain(f"{file.path}:{number}: {fault}")
            continue
        key = ALIASES.get(name, name)
        if key not in KINDS or (name in ALIASES and key in found and found[key][2] == key):
            continue
        if fault := _value_fault(right):
            complain(f"{file.path}:{number}: the value of {name} {fault}")
            continue
        found[key] = (right.decode().strip(), number, name)
    return found


def _key_fault(name: str, equals: bytes) -> str:
    if not equals:
        return "no = in this line"
    if not name:
        return "no key before the ="
    if len(name) > _LONGEST_KEY:
        return f"the key is longer than {_LONGEST_KEY} characters"
    return ""


def _value_fault(raw: bytes) -> str:
    if b"\0" in raw:
        return "holds a NUL"
    try:
        text = raw.decode().strip()
    except UnicodeDecodeError:
        return "is not UTF-8"
    return f"is longer than {_LONGEST_VALUE} characters" if len(text) > _LONGEST_VALUE else ""


def why_ignored(path: str, status: os.stat_result) -> str:
    """Return why a project file is not even read for its harmless keys, or an empty string.

    Args:
        path: the file, perhaps a symbolic link: both the link and its target must lie safely.
        status: ``fstat`` of what was opened.
    """
    if os.name != "posix":
        return ""
    if status.st_uid not in (os.geteuid(), 0):
        return f"it belongs to user {status.st_uid}"
    from fetchtoken.files.guard import writable_by_others

    beside = os.path.dirname(path)
    # A sticky directory keeps others from swapping the file, but not from putting one there first.
    if os.stat(beside).st_mode & _OTHERS_WRITE:
        return f"others can write {beside}"
    # The last name is a file that is not there, so that the link itself is judged, not its target.
    loose = writable_by_others(f"{beside}/ ") or writable_by_others(path)
    return f"others can write {loose}" if loose else ""
