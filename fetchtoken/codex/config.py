"""What Codex's configuration says about where it keeps its login."""

from fetchtoken.domain.errors import ConfigError

__all__ = ["MANAGED", "SYSTEM", "named_store", "project_store", "store_mode", "words_store"]

MANAGED = "/etc/codex/managed_config.toml"
"""What it says goes before the user's ``config.toml``."""

SYSTEM = "/etc/codex/config.toml"
"""What it says counts where the user's is silent."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_KEY = "cli_auth_credentials_store"
_MODES = ("file", "keyring", "auto", "ephemeral")
_LIMIT = 4 << 20


def store_mode(codex_home: str) -> str:
    """Return ``file``, ``keyring``, ``auto`` or ``ephemeral``; ``file`` where nothing is configured.

    Args:
        codex_home: the directory of ``config.toml``.

    Raises:
        ConfigError: as :func:`named_store`.
    """
    return named_store(MANAGED) or named_store(f"{codex_home}/config.toml") or named_store(SYSTEM) or "file"


def named_store(path: str) -> str:
    """Return what one file says, or an empty string for nothing.

    It is parsed only where a line holds the key: a TOML parser costs a third of a bare start.

    Args:
        path: the file, existing or not.

    Raises:
        ConfigError: the key is there, and the file cannot be read as Codex would read it.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(_LIMIT)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", hint=f"ls -l {path}") from None
    if _KEY.encode() not in data or not _outside_comments(data):
        return ""
    return _parsed(path, data)


def project_store(codex_home: str, cwd: str) -> str:
    """Return the store that a project says which Codex trusts, where that is no file; else an empty string.

    Args:
        codex_home: the directory of ``config.toml``, which says whom Codex trusts.
        cwd: where Codex will work.

    Raises:
        ConfigError: as :func:`named_store`.
    """
    from os.path import dirname, realpath

    above = [realpath(cwd)]
    while above[-1] != dirname(above[-1]):
        above.append(dirname(above[-1]))
    found, own = "", realpath(f"{codex_home}/config.toml")
    for directory in above:
        path = f"{directory}/.codex/config.toml"
        store = named_store(path)
        if store not in ("", "file") and realpath(path) != own:
            found = store
    return found if found and not _trusted(codex_home).isdisjoint([cwd, *above]) else ""


def words_store(codex_home: str, words: "Sequence[str]") -> str:
    """Return the store that a command line says, or the profile that it chooses, where that is no file.

    Args:
        codex_home: the directory of ``NAME.config.toml``.
        words: Codex's, its own name included.

    Raises:
        ConfigError: as :func:`named_store`.
    """
    from itertools import pairwise

    for word, following in pairwise((*words, "")):
        _, key, said = word.partition(_KEY)
        store = said.strip(" ='\"") if key and said.lstrip().startswith("=") else ""
        name = following if word in ("-p", "--profile") else ""
        if not name and word.startswith(("-p", "--profile=")):
            name = word.removeprefix("--profile=").removeprefix("-p")
        if name and "/" not in name:
            store = named_store(f"{codex_home}/{name}.config.toml")
        if store not in ("", "file"):
            return store
    return ""


def _trusted(codex_home: str) -> set[str]:
    import tomllib

    try:
        with open(f"{codex_home}/config.toml", "rb") as file:
            projects = tomllib.load(file).get("projects")
    except (OSError, ValueError):
        return set()
    said = projects.items() if isinstance(projects, dict) else ()
    return {path for path, of in said if isinstance(of, dict) and of.get("trust_level") == "trusted"}


def _outside_comments(data: bytes) -> bool:
    key = _KEY.encode()
    return any(key in line and not line.lstrip().startswith(b"#") for line in data.split(b"\n"))


def _parsed(path: str, data: bytes) -> str:
    import tomllib

    try:
        mode = tomllib.loads(data.decode()).get(_KEY)
    except ValueError:  # TOMLDecodeError and UnicodeDecodeError
        raise ConfigError(
            f"{path} is not TOML, so Codex cannot read it either", hint=f"correct {path}"
        ) from None
    if mode is None:
        return ""
    if mode not in _MODES:
        raise ConfigError(
            f"{path}: {_KEY} has a value that is not known", hint=f"use one of {', '.join(_MODES)}"
        )
    return str(mode)
