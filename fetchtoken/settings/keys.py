"""Every key: what it may hold, and which of them a project file may set.

The files are shared with scorpiox; keys that are not in this table are nobody's business here.
Some are in it because a project file must not set them, not because this version reads them.
"""

from fetchtoken.domain.errors import ConfigError

__all__ = [
    "ALIASES",
    "BUILT_IN",
    "KINDS",
    "PROJECT_KEYS",
    "SECRET_KEYS",
    "STEERED",
    "STEERED_PATHS",
    "check_text",
    "host_value",
    "is_steered",
    "judge",
    "name_value",
    "path_value",
    "port_value",
    "seconds_value",
    "sources_value",
    "url_value",
    "user_value",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

STEERED = "CODEX_FETCHTOKEN_STEERED_TO"
"""Says to which broker ``exec`` has led Codex, by the variables that follow."""

STEERED_PATHS = {
    "CODEX_REFRESH_TOKEN_URL_OVERRIDE": "/oauth/token",
    "CODEX_REVOKE_TOKEN_URL_OVERRIDE": "/oauth/revoke",
}

KINDS = {
    "CODEX_TOKEN_SOURCE": "sources",
    "CODEX_ACCOUNT": "name",
    "CODEX_MIN_VALID": "seconds",
    "CODEX_CACHE_MAX_AGE": "seconds",
    "CODEX_CREDENTIALS_FILE": "path",
    "CODEX_HOME": "path",
    "OPENAI_CODEX_PATH": "path",
    "CODEX_REMOTE_URL": "url",
    "CODEX_REMOTE_API_KEY": "secret",
    "CODEX_REMOTE_API_KEY_FILE": "path",
    "CODEX_REMOTE_CA_FILE": "path",
    "CODEX_REMOTE_CLIENT_CERT": "path",
    "CODEX_REMOTE_CLIENT_KEY": "path",
    "CODEX_SSH_HOST": "host",
    "CODEX_SSH_PORT": "port",
    "CODEX_SSH_USER": "user",
    "CODEX_SSH_PASS": "secret",
    "CODEX_SSH_KEY": "path",
    "CODEX_SSH_KNOWN_HOSTS": "path",
    "CODEX_SSH_COMMAND": "text",
    "ACTIVE_PROFILE": "name",
    "CODEX_REFRESH_TOKEN_URL_OVERRIDE": "url",
    "CODEX_REVOKE_TOKEN_URL_OVERRIDE": "url",
    "CODEX_CA_CERTIFICATE": "path",
}
"""Key → kind of its value; ``unused`` is known to the trust rule only."""

ALIASES = {"TOKEN_HTTP_API_KEY": "CODEX_REMOTE_API_KEY"}
"""Other spelling → key; within one tier the key itself wins."""

SECRET_KEYS = frozenset({"CODEX_REMOTE_API_KEY", "CODEX_SSH_PASS"})
"""Never shown, never in an error."""

PROJECT_KEYS = frozenset({"CODEX_TOKEN_SOURCE", "CODEX_ACCOUNT", "CODEX_MIN_VALID", "ACTIVE_PROFILE"})
"""All that a project file may set without ``config trust``."""

BUILT_IN = {
    "CODEX_TOKEN_SOURCE": "local",
    "CODEX_MIN_VALID": "600",
    "CODEX_CACHE_MAX_AGE": "300",
    "CODEX_HOME": "~/.codex",
    "CODEX_REMOTE_URL": "https://token.scorpiox.net/codex",
    "CODEX_SSH_COMMAND": "codex-fetchtoken --format json",
}

_LONGEST_VALUE = 4096
_MOST_SECONDS = 864_000
_SOURCES = {"local": "local", "remote": "remote", "http": "remote", "ssh": "ssh"}
_HOST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-:%")
_NO_USER = frozenset(" '\"`$\\;<>|&(){}")
"""What no user's name may hold: with ``%r`` it becomes part of a ``ProxyCommand``, as in OpenSSH."""


def _refuse(where: str, value: str, allowed: str) -> ConfigError:
    return ConfigError(f"{where}: {value[:80]!r} is not allowed", hint=f"use {allowed}")


def check_text(where: str, value: str) -> str:
    """Return a value that is short enough and printable.

    Args:
        where: the key with its origin, or the option, for the message.
        value: the trimmed text; it is never shown, for it may be a secret.

    Raises:
        ConfigError: it is not.
    """
    if len(value) > _LONGEST_VALUE:
        raise ConfigError(
            f"{where}: the value is longer than {_LONGEST_VALUE} characters", hint="correct or unset it"
        )
    if not value.isprintable():
        raise ConfigError(
            f"{where}: the value holds a character that cannot be printed", hint="correct or unset it"
        )
    return value


def sources_value(where: str, value: str) -> tuple[str, ...]:
    """Return the sources in order, ``http`` as ``remote``, each once.

    Raises:
        ConfigError: an unknown source.
    """
    names = []
    for item in value.split(","):
        word = item.strip()
        if word not in _SOURCES:
            raise _refuse(where, value, "local, remote, ssh, or several with commas between them")
        if _SOURCES[word] not in names:
            names.append(_SOURCES[word])
    return tuple(names)


def name_value(where: str, value: str) -> str:
    """Return the name of an account or profile.

    Raises:
        ConfigError: it is none.
    """
    from fetchtoken.domain.names import check_name

    try:
        return check_name(value, where + ":")
    except ConfigError as error:
        raise ConfigError(f"{where}: {value[:80]!r} is no name", hint=error.hint) from None


def seconds_value(where: str, value: str) -> int:
    """Return whole seconds from 0 to 864000 (ten days).

    Raises:
        ConfigError: anything else.
    """
    if value.isascii() and value.isdigit() and len(value) <= 9 and int(value) <= _MOST_SECONDS:
        return int(value)
    raise _refuse(where, value, f"whole seconds from 0 to {_MOST_SECONDS}")


def host_value(where: str, value: str) -> str:
    """Return the name or address of an SSH host, or a name that ``~/.ssh/config`` knows.

    Raises:
        ConfigError: it is none; user and port have keys of their own.
    """
    if _HOST.issuperset(value) and value[0] != "-" and len(value) <= 255:
        return value
    raise _refuse(where, value, "a host name or address, without user or port")


def port_value(where: str, value: str) -> int:
    """Return a port from 1 to 65535.

    Raises:
        ConfigError: anything else.
    """
    if value.isascii() and value.isdigit() and len(value) <= 5 and 1 <= int(value) <= 65_535:
        return int(value)
    raise _refuse(where, value, "a port from 1 to 65535")


def user_value(where: str, value: str) -> str:
    """Return the name of a user on another host.

    Raises:
        ConfigError: it holds what a shell would act on.
    """
    if value[0] != "-" and not _NO_USER.intersection(value):
        return value
    raise _refuse(where, value, "a user's name")


def path_value(where: str, value: str, *, home: str, base: str) -> str:
    """Return an absolute path; ``~/`` is the home directory.

    Args:
        where: the key with its origin.
        value: the path as written.
        home: the caller's home directory.
        base: what a relative path starts from, or an empty string where none is allowed.

    Raises:
        ConfigError: a relative path in a file, where nobody can say what it is relative to.
    """
    if value == "~" or value.startswith("~/"):
        return home + value[1:]
    from os.path import isabs, join

    if isabs(value):
        return value
    if base:
        return join(base, value)
    raise _refuse(where, value, "an absolute path, or one that starts with ~/")


def is_steered(environ: "Mapping[str, str]", name: str, value: str) -> bool:
    """Tell whether a variable's value was put there by ``exec`` for Codex: it is no wish of the user's."""
    base = environ.get(STEERED, "")
    return bool(base) and value == base + STEERED_PATHS.get(name, "\0")


def url_value(where: str, value: str) -> str:
    """Return a URL of ``https:``, ``http:`` or ``unix:`` without user, password, query or fragment.

    Which hosts may be spoken to in the clear is judged by whoever connects.

    Raises:
        ConfigError: anything else; the value is not shown, for a wrong URL often holds a password.
    """
    scheme, colon, rest = value.partition(":")
    plain = value.isascii() and not any(char in value for char in ' "<>\\^`{|}?#@')
    known = scheme.lower() in ("http", "https", "unix") and colon
    if plain and known and (rest.startswith("//") or (scheme.lower() == "unix" and rest.startswith("/"))):
        return value
    raise ConfigError(
        f"{where}: not a URL that can be used", hint="use https://HOST[:PORT][/PATH], without user or query"
    )


def judge(key: str, where: str, value: str, *, home: str, base: str) -> object:
    """Return a key's value in its own type.

    Args:
        key: which one.
        where: the key with its origin, or the option, for messages.
        value: the text.
        home: the caller's home directory.
        base: what a relative path starts from, or an empty string where none is allowed.

    Raises:
        ConfigError: the value is not allowed.
    """
    kind = KINDS[key]
    if kind == "path":
        return path_value(where, value, home=home, base=base)
    if kind in ("secret", "text"):
        return value
    judges = {
        "sources": sources_value,
        "name": name_value,
        "seconds": seconds_value,
        "url": url_value,
        "host": host_value,
        "port": port_value,
        "user": user_value,
    }
    return judges[kind](where, value)
