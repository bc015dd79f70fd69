"""The tiers, low to high, and what each of them says.

::

    built-in
    /etc/codex-fetchtoken/scorpiox-env.txt
    $XDG_CONFIG_HOME/codex-fetchtoken/scorpiox-env.txt
    ~/.claude/scorpiox-env.txt
    PROJECT/scorpiox-env.txt                    not trusted
    PROJECT/.claude/scorpiox-env.txt            not trusted
    PROJECT/.scorpiox/scorpiox-env.txt          not trusted
    the profile: scorpiox-env/NAME.txt beside the highest of these that has it
    the environment
    options
"""

import os

from fetchtoken.domain.errors import ConfigError
from fetchtoken.settings.keys import ALIASES, KINDS, PROJECT_KEYS, is_steered

__all__ = [
    "FILE_NAME",
    "PROJECT_FILES",
    "Cascade",
    "Entry",
    "find_project",
    "home_directory",
    "open_env_file",
    "user_directory",
    "where",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fetchtoken.options import Options
    from fetchtoken.settings.envfile import Tier

FILE_NAME = "scorpiox-env.txt"
SYSTEM_DIRECTORY = "/etc/codex-fetchtoken"
PROJECT_FILES = ("scorpiox-env.txt", ".claude/scorpiox-env.txt", ".scorpiox/scorpiox-env.txt")
"""A project's files, low to high."""

_MARKS = (*PROJECT_FILES, ".git")
_OPTION_KEYS = {
    "CODEX_TOKEN_SOURCE": ("source", "--source"),
    "CODEX_ACCOUNT": ("account", "--account"),
    "CODEX_MIN_VALID": ("min_valid", "--min-valid"),
    "CODEX_CACHE_MAX_AGE": ("cache_max_age", "--cache-max-age"),
    "ACTIVE_PROFILE": ("profile", "--profile"),
}


def home_directory(environ: "Mapping[str, str]") -> str:
    """Return the caller's home directory, as Codex finds it."""
    names = ("USERPROFILE", "HOME") if os.name == "nt" else ("HOME", "USERPROFILE")
    for name in names:
        if (home := environ.get(name, "")) and os.path.isabs(home):
            return home.rstrip("/") or "/"
    return os.path.expanduser("~")


def user_directory(environ: "Mapping[str, str]", home: str) -> str:
    """Return where the user's own settings stand (XDG base directories; a relative one does not count)."""
    base = environ.get("XDG_CONFIG_HOME", "")
    return f"{base if os.path.isabs(base) else home + '/.config'}/codex-fetchtoken"


def find_project(cwd: str, home: str) -> str:
    """Return the nearest ancestor of ``cwd`` with a project file or ``.git``, or an empty string.

    Args:
        cwd: the absolute working directory, or an empty string where it was deleted.
        home: the walk stops below it: a home directory is no project.
    """
    if not cwd:
        return ""
    try:
        end = os.stat(home)
    except OSError:
        end = None
    directory = cwd
    while True:
        if directory == home or (end is not None and _is(directory, end)):
            return ""
        for mark in _MARKS:
            if os.access(f"{directory}/{mark}", os.F_OK):
                return directory
        parent = os.path.dirname(directory)
        if parent == directory:
            return ""
        directory = parent


def _is(directory: str, other: os.stat_result) -> bool:
    try:
        status = os.stat(directory)
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == (other.st_dev, other.st_ino)


class Entry:
    """One value: the text as written and where that was.

    Attributes:
        text: the trimmed value.
        origin: ``FILE:LINE``, ``environment``, ``built-in`` or the option.
        tier: rank of the tier; a higher one wins.
        in_file: whether it came from a file, where a relative path means nothing.
    """

    __slots__ = ("in_file", "origin", "text", "tier")

    def __init__(self, text: str, origin: str, tier: int, *, in_file: bool = False) -> None:
        self.text = text
        self.origin = origin
        self.tier = tier
        self.in_file = in_file


class Cascade:
    """Reads all tiers once.

    Args:
        options: what was typed.
        environ: the environment.
        cwd: the absolute working directory, or an empty string.
        read_profile: ``False`` to look at the files alone, as for changing them.

    Attributes:
        tiers: the files that were read, low to high, a profile last.
        project: the project's directory, or an empty string.
        profile: the active profile's name, or an empty string.
        notes: lines for people about files that were ignored.

    Raises:
        ConfigError: a trusted file has a malformed line, or the profile exists nowhere.
    """

    __slots__ = ("_seen", "cwd", "environ", "home", "notes", "options", "profile", "project", "tiers", "user")

    def __init__(
        self, options: "Options", environ: "Mapping[str, str]", cwd: str, *, read_profile: bool = True
    ) -> None:
        self.options = options
        self.environ = environ
        self.cwd = cwd
        self.notes: list[str] = []
        self.tiers: list[Tier] = []
        self._seen: set[tuple[int, int]] = set()
        self.home = home_directory(environ)
        self.user = user_directory(environ, self.home)
        for directory in self._trusted_directories():
            self._read(f"{directory}/{FILE_NAME}", trusted=True)
        self.project = find_project(cwd, self.home)
        if self.project:
            for name in PROJECT_FILES:
                self._read(f"{self.project}/{name}", trusted=False)
        active = self._active_profile() if read_profile else None
        self.profile = active.text if active else ""
        if active:
            self._read_profile(active)

    def _trusted_directories(self) -> tuple[str, str, str]:
        return SYSTEM_DIRECTORY, self.user, f"{self.home}/.claude"

    def _read(self, path: str, *, trusted: bool, known: "set[tuple[int, int]] | None" = None) -> bool:
        """Read one tier, trusted too where it is one of the ``known`` files; tell whether there is one."""
        fd = open_env_file(path, self.notes.append)
        if fd < 0:
            return False
        # By what was opened: a link may be pointed elsewhere after a look at its path.
        trusted = trusted or (known is not None and _identity(fd) in known)
        from fetchtoken.settings.envfile import read_tier

        tier = read_tier(path, fd, self._seen, self.notes, trusted=trusted)
        if tier is not None:
            self.tiers.append(tier)
        return tier is not None

    def _active_profile(self) -> Entry | None:
        entry = self.entries().get("ACTIVE_PROFILE")
        if entry is None:
            return None
        from fetchtoken.settings.keys import name_value

        name_value(where("ACTIVE_PROFILE", entry), entry.text)
        return entry

    def _read_profile(self, active: Entry) -> None:
        """Read the profile of the highest tier that has one; it stands above all files.

        Raises:
            ConfigError: no tier has it.
        """
        name = f"scorpiox-env/{active.text}.txt"
        trusted = [f"{directory}/{name}" for directory in reversed(self._trusted_directories())]
        known = {identity for path in trusted if (identity := _identity(path))}
        self._seen.clear()
        if self.project:
            for file in reversed(PROJECT_FILES):
                path = os.path.join(self.project, os.path.dirname(file), name)
                if self._read(path, trusted=False, known=known):
                    return
        for path in trusted:
            if self._read(path, trusted=True):
                return
        raise ConfigError(
            f"{where('ACTIVE_PROFILE', active)}: there is no profile {active.text!r}",
            hint=f"make {self.user}/{name}",
        )

    def entries(self) -> dict[str, Entry]:
        """Return the winning value of each key that is set; an empty value does not count."""
        found: dict[str, Entry] = {}
        for rank, tier in enumerate(self.tiers, 1):
            for key, (text, line, _) in tier.values.items():
                if text:
                    found[key] = Entry(text, f"{tier.file.path}:{line}", rank, in_file=True)
        rank = len(self.tiers) + 1
        for name in (*ALIASES, *KINDS):
            text = self.environ.get(name, "").strip()
            if text and not is_steered(self.environ, name, text):
                found[ALIASES.get(name, name)] = Entry(text, "environment", rank)
        for key, (field, option) in _OPTION_KEYS.items():
            if (text := getattr(self.options, field)) is not None:
                found[key] = Entry(text, option, rank + 1)
        return found

    def untrusted(self) -> "list[tuple[Tier, list[str]]]":
        """Return the project's tiers with the keys in them that a project may not set."""
        found = []
        for tier in self.tiers:
            keys = [key for key, value in tier.values.items() if key not in PROJECT_KEYS and value[0]]
            if keys and not tier.trusted:
                found.append((tier, keys))
        return found


def open_env_file(path: str, note: "Callable[[str], None]") -> int:
    """Return a descriptor, or -1 where there is no such file, or only others may read it.

    Args:
        path: the file; symbolic links are followed, pipes do not block.
        note: told when the file is there but closed to the caller, as root's own may be.
    """
    try:
        return os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0))
    except (FileNotFoundError, NotADirectoryError):
        return -1
    except OSError as error:
        note(f"{path} is ignored: {error.strerror}")
        return -1


def where(key: str, entry: Entry) -> str:
    """Return how a message names a value: the key with its origin, or the option."""
    return entry.origin if entry.origin.startswith("--") else f"{key} ({entry.origin})"


def _identity(file: str | int) -> tuple[int, int] | None:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_dev, status.st_ino
