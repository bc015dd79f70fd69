"""Which project files the user trusts: one line ``SHA256  PATH`` per file, in the user's own settings."""

from __future__ import annotations

import os
from hashlib import sha256

from fetchtoken.domain.errors import ConfigError, NotFound, Unsafe

__all__ = ["check_lasting", "check_project_files", "trust", "trusted_hash", "untrust"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fetchtoken.settings import Settings
    from fetchtoken.settings.cascade import Cascade
    from fetchtoken.settings.envfile import Tier

_FILE = "trusted.txt"
_LASTING = ("CODEX_TOKEN_SOURCE", "CODEX_ACCOUNT")
"""What a project may choose for the commands that are run in it, and for nothing that is set up there."""


def _store(cascade: Cascade) -> str:
    return f"{cascade.user}/{_FILE}"


def _load(path: str) -> dict[str, str]:
    """Return path → hash.

    Raises:
        Unsafe: others could have written the record.
    """
    from fetchtoken.files.guard import read_private

    try:
        text = read_private(path)
    except NotFound:
        return {}
    found = {}
    for line in text.splitlines():
        digest, gap, name = line.partition("  ")
        if gap and len(digest) == 64:
            found[name] = digest
    return found


def _save(path: str, record: dict[str, str]) -> None:
    from fetchtoken.files.atomic import replace_file

    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    lines = [f"{digest}  {name}\n" for name, digest in sorted(record.items())]
    replace_file(path, "".join(lines).encode())


def trusted_hash(cascade: Cascade, path: str) -> str:
    """Return the SHA-256 under which a file was trusted, or an empty string."""
    return _load(_store(cascade)).get(os.path.realpath(path), "")


def _same_elsewhere(cascade: Cascade, key: str, value: str) -> bool:
    """Tell whether a trusted tier, or the environment, already has this value."""
    from fetchtoken.settings.keys import ALIASES

    names = [key, *(alias for alias, name in ALIASES.items() if name == key)]
    in_environment = any(cascade.environ.get(name, "").strip() == value for name in names)
    return in_environment or any(
        tier.trusted and tier.values.get(key, ("",))[0] == value for tier in cascade.tiers
    )


def _refusal(cascade: Cascade, tier: Tier, keys: list[str]) -> Unsafe | None:
    """Return the error for the first key that nobody vouched for."""
    for key in keys:
        value, _, name = tier.values[key]
        if _same_elsewhere(cascade, key, value):
            continue
        path = tier.file.path
        held = trusted_hash(cascade, path)
        if held == sha256(tier.file.data).hexdigest():
            return None
        what = "which has changed since it was trusted, sets" if held else "which is not trusted, sets"
        return Unsafe(
            f"the project file {path}, {what} {name}",
            hint=f"read it, then run codex-fetchtoken config trust {path}",
        )
    return None


def check_project_files(cascade: Cascade) -> Unsafe | None:
    """Return the error for the first project file that sets more than it may, highest tier last."""
    for tier, keys in cascade.untrusted():
        if (error := _refusal(cascade, tier, keys)) is not None:
            return error
    return None


def check_lasting(settings: Settings) -> None:
    """See that nothing which is to last beyond this command is chosen by a project that nobody trusts.

    Raises:
        Unsafe: the source or the account is.
    """
    cascade = settings.cascade
    for tier in cascade.tiers:
        keys = [key for key in _LASTING if settings.origin(key).startswith(f"{tier.file.path}:")]
        if not tier.trusted and (error := _refusal(cascade, tier, keys)) is not None:
            raise error


def trust(cascade: Cascade, path: str) -> str:
    """Record a file's hash; return its real path.

    Raises:
        NotFound: there is no such file.
        ConfigError: it is no settings file.
        Unsafe: somebody else could change it at any time.
    """
    from fetchtoken.settings.cascade import open_env_file
    from fetchtoken.settings.envfile import parse_lines, read_env_file, why_ignored

    def refuse(message: str) -> None:
        raise ConfigError(message, hint="correct the file first")

    fd = open_env_file(path, refuse)
    file = None if fd < 0 else read_env_file(path, fd, set(), refuse)
    if file is None:
        raise NotFound(f"{path} does not exist", hint="name the project's scorpiox-env.txt")
    if reason := why_ignored(path, file.status):
        raise Unsafe(f"{path} cannot be trusted: {reason}", hint=f"ls -ld {path} {os.path.dirname(path)}")
    parse_lines(file, refuse)
    real = os.path.realpath(path)
    _record(cascade, real, sha256(file.data).hexdigest())
    return real


def untrust(cascade: Cascade, path: str) -> str:
    """Forget a file, whether it still exists or not; return its real path.

    Raises:
        NotFound: it was not trusted.
    """
    real = os.path.realpath(path)
    if not trusted_hash(cascade, real):
        raise NotFound(f"{real} is not trusted", hint="check the path")
    _record(cascade, real, "")
    return real


def _record(cascade: Cascade, real: str, digest: str) -> None:
    if "\n" in real:
        raise ConfigError("a path with a line break in it cannot be recorded", hint="rename it")
    store = _store(cascade)
    try:
        record = _load(store)
        record.pop(real, None)
        if digest:
            record[real] = digest
        _save(store, record)
    except OSError as error:
        raise Unsafe(f"{store} cannot be written: {error.strerror}", hint=f"ls -ld {store}") from None
