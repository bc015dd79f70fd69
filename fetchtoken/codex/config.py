"""What Codex's ``config.toml`` says about where it keeps its login."""

from fetchtoken.domain.errors import ConfigError

__all__ = ["store_mode"]

_KEY = "cli_auth_credentials_store"
_MODES = ("file", "keyring", "auto", "ephemeral")
_LIMIT = 4 << 20


def store_mode(codex_home: str) -> str:
    """Return ``file``, ``keyring``, ``auto`` or ``ephemeral``; ``file`` where nothing is configured.

    The file is parsed only where a line holds the key: a TOML parser costs a third of a bare start.

    Args:
        codex_home: the directory of ``config.toml``.

    Raises:
        ConfigError: the key is there, and the file cannot be read as Codex would read it.
    """
    path = f"{codex_home}/config.toml"
    try:
        with open(path, "rb") as file:
            data = file.read(_LIMIT)
    except (FileNotFoundError, NotADirectoryError):
        return "file"
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", hint=f"ls -l {path}") from None
    if _KEY.encode() not in data or not _outside_comments(data):
        return "file"
    return _parsed(path, data)


def _outside_comments(data: bytes) -> bool:
    key = _KEY.encode()
    return any(key in line and not line.lstrip().startswith(b"#") for line in data.split(b"\n"))


def _parsed(path: str, data: bytes) -> str:
    import tomllib

    try:
        mode = tomllib.loads(data.decode()).get(_KEY, "file")
    except ValueError:  # TOMLDecodeError and UnicodeDecodeError
        raise ConfigError(
            f"{path} is not TOML, so Codex cannot read it either", hint=f"correct {path}"
        ) from None
    if mode not in _MODES:
        raise ConfigError(
            f"{path}: {_KEY} has a value that is not known", hint=f"use one of {', '.join(_MODES)}"
        )
    return str(mode)
