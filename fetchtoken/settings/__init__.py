"""The settings of one command: every value with its origin.

``load`` reads the tiers that :mod:`fetchtoken.settings.cascade` draws and judges every value
that is set. Only what a source asks for later (the API key) is read later.
"""

import os

from fetchtoken.domain.errors import ConfigError
from fetchtoken.domain.secret import Secret
from fetchtoken.settings.cascade import Cascade, Entry, where
from fetchtoken.settings.keys import (
    BUILT_IN,
    KINDS,
    SECRET_KEYS,
    check_text,
    host_value,
    name_value,
    path_value,
    port_value,
    seconds_value,
    sources_value,
    url_value,
    user_value,
)

__all__ = ["Settings", "load"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from fetchtoken.options import Options


class Settings:
    """What the tiers amount to. Nothing changes after ``load``, except that ``notes`` may grow.

    Attributes:
        sources: ``local``, ``remote`` and ``ssh``, in the order in which to ask.
        account: the name asked for, or an empty string.
        min_valid_s: seconds that a token must still live.
        cache_max_age_s: seconds for which a cached copy is served without contact.
        codex_home: absolute path; the default need not exist.
        credentials_file: absolute path, or an empty string.
        openai_codex_path: absolute path of a directory or file, or an empty string.
        remote_url: as configured: a base or ``…/codex``, trailing slash or not.
        remote_url_origin: ``built-in`` where nobody configured one; such a URL never gets a key.
        ca_file, client_cert, client_key: of ``CODEX_REMOTE_…``: absolute paths, or empty strings.
        ssh_host, ssh_user: of ``CODEX_SSH_…``: as configured, or empty strings.
        ssh_port: the same, or 0.
        ssh_key, ssh_known_hosts: the same: absolute paths, or empty strings.
        ssh_command: what to run there; the account and ``--min-valid`` are added.
        codex_ca_certificate: checks the issuer's certificate: absolute path, or an empty string.
        refresh_url_override, revoke_url_override: the complete URLs, or empty strings.
        login_client_id: Codex's ``CODEX_APP_SERVER_LOGIN_CLIENT_ID``, environment only, or an empty string.
        login_issuer: Codex's ``CODEX_APP_SERVER_LOGIN_ISSUER``, environment only, or an empty string.
        profile: the active profile's name, or an empty string.
        home: the caller's home directory.
        environ: the environment that was read; sources look nowhere else.
        notes: lines for people, about files that were ignored.
    """

    __slots__ = (
        "_entries",
        "account",
        "ca_file",
        "cache_max_age_s",
        "cascade",
        "client_cert",
        "client_key",
        "codex_ca_certificate",
        "codex_home",
        "credentials_file",
        "environ",
        "home",
        "login_client_id",
        "login_issuer",
        "min_valid_s",
        "notes",
        "openai_codex_path",
        "profile",
        "refresh_url_override",
        "remote_url",
        "remote_url_origin",
        "revoke_url_override",
        "sources",
        "ssh_command",
        "ssh_host",
        "ssh_key",
        "ssh_known_hosts",
        "ssh_port",
        "ssh_user",
    )

    def __init__(self, cascade: Cascade) -> None:
        self.cascade = cascade
        self.environ = cascade.environ
        self.home = cascade.home
        self.notes = cascade.notes
        self.profile = cascade.profile
        self._entries = entries = cascade.entries()
        for key, text in BUILT_IN.items():
            if key not in entries:
                entries[key] = Entry(text, "built-in", 0)
        for key, entry in entries.items():
            check_text(where(key, entry), entry.text)
        self.sources = sources_value(*self._named("CODEX_TOKEN_SOURCE"))
        self.account = name_value(*self._named("CODEX_ACCOUNT")) if "CODEX_ACCOUNT" in entries else ""
        self.min_valid_s = seconds_value(*self._named("CODEX_MIN_VALID"))
        self.cache_max_age_s = seconds_value(*self._named("CODEX_CACHE_MAX_AGE"))
        self.codex_home = self._path("CODEX_HOME")
        self.credentials_file = self._path("CODEX_CREDENTIALS_FILE")
        self.openai_codex_path = self._path("OPENAI_CODEX_PATH")
        self.remote_url = self._url("CODEX_REMOTE_URL")
        self.remote_url_origin = entries["CODEX_REMOTE_URL"].origin
        self.ca_file = self._path("CODEX_REMOTE_CA_FILE")
        self.client_cert = self._path("CODEX_REMOTE_CLIENT_CERT")
        self.client_key = self._path("CODEX_REMOTE_CLIENT_KEY")
        self.codex_ca_certificate = self._path("CODEX_CA_CERTIFICATE")
        self.refresh_url_override = self._url("CODEX_REFRESH_TOKEN_URL_OVERRIDE")
        self.revoke_url_override = self._url("CODEX_REVOKE_TOKEN_URL_OVERRIDE")
        self.login_issuer = cascade.environ.get("CODEX_APP_SERVER_LOGIN_ISSUER", "")
        self.login_client_id = cascade.environ.get("CODEX_APP_SERVER_LOGIN_CLIENT_ID", "")
        self._path("CODEX_REMOTE_API_KEY_FILE")
        self.ssh_host = host_value(*self._named("CODEX_SSH_HOST")) if "CODEX_SSH_HOST" in entries else ""
        self.ssh_port = port_value(*self._named("CODEX_SSH_PORT")) if "CODEX_SSH_PORT" in entries else 0
        self.ssh_user = user_value(*self._named("CODEX_SSH_USER")) if "CODEX_SSH_USER" in entries else ""
        self.ssh_key = self._path("CODEX_SSH_KEY")
        self.ssh_known_hosts = self._path("CODEX_SSH_KNOWN_HOSTS")
        self.ssh_command = entries["CODEX_SSH_COMMAND"].text

    def _named(self, key: str) -> tuple[str, str]:
        entry = self._entries[key]
        return where(key, entry), entry.text

    def _url(self, key: str) -> str:
        return url_value(*self._named(key)) if key in self._entries else ""

    def _path(self, key: str) -> str:
        entry = self._entries.get(key)
        if entry is None:
            return ""
        base = "" if entry.in_file else self.cascade.cwd
        return path_value(where(key, entry), entry.text, home=self.home, base=base)

    @property
    def keys_set(self) -> tuple[str, ...]:
        """The keys that have a value, built-in ones included, in the order of the table."""
        return tuple(key for key in KINDS if key in self._entries)

    def origin(self, key: str) -> str:
        """Return where a key's value comes from: ``FILE:LINE``, ``environment``, an option, ``built-in``.

        An empty string means that it has none.
        """
        entry = self._entries.get(key)
        return entry.origin if entry else ""

    def shown(self, key: str) -> str:
        """Return a key's value as written; for a secret only that it is set."""
        entry = self._entries.get(key)
        if entry is None:
            return ""
        return "(set, hidden)" if key in SECRET_KEYS else entry.text

    @property
    def has_api_key(self) -> bool:
        """Whether an API key, or a file with one, is configured."""
        return "CODEX_REMOTE_API_KEY" in self._entries or "CODEX_REMOTE_API_KEY_FILE" in self._entries

    @property
    def ssh_password(self) -> Secret | None:
        """The password for ``ssh_host``; ``None`` without one."""
        entry = self._entries.get("CODEX_SSH_PASS")
        return None if entry is None else Secret(entry.text)

    @property
    def api_key(self) -> Secret | None:
        """The API key for ``remote_url``, read anew from its file at each call; ``None`` without one.

        One of the environment wins, then the one that this very origin was joined with, then those
        of the settings files, which may belong to another broker.

        Raises:
            ConfigError: there is a key, but no configured URL to which it belongs; or it is no key.
            Unsafe: others can read the key file.
            Unavailable: it is in a keyring that cannot be read now.
        """
        from fetchtoken.settings.apikey import read_api_key, read_joined_key

        key, file = (self._entries.get(f"CODEX_REMOTE_API_KEY{end}") for end in ("", "_FILE"))
        in_files = all(entry is None or entry.in_file for entry in (key, file))
        if in_files and self.remote_url_origin != "built-in":
            joined = read_joined_key(self.cascade.user, self.remote_url)
            if joined is not None:
                return joined
        if key is None and file is None:
            return None
        if self.remote_url_origin == "built-in":
            raise ConfigError(
                f"an API key is configured, but no broker: {self.remote_url} never gets one",
                hint="set CODEX_REMOTE_URL",
            )
        if key is not None and (file is None or key.tier >= file.tier):
            return read_api_key(where("CODEX_REMOTE_API_KEY", key), key.text)
        return read_api_key("CODEX_REMOTE_API_KEY_FILE", path=self._path("CODEX_REMOTE_API_KEY_FILE"))


def load(
    options: "Options", environ: "Mapping[str, str]", cwd: str, *, check_project: bool = True
) -> Settings:
    """Read all tiers and judge them.

    Args:
        options: what was typed.
        environ: the environment.
        cwd: the absolute working directory, or an empty string where there is none.
        check_project: ``False`` to look at the settings of a project whose file is not trusted.

    Raises:
        ConfigError: a value or line is not allowed; the message names key and origin.
        Unsafe: a project file sets a key that it may not.
    """
    cascade = Cascade(options, environ, cwd)
    if check_project and cascade.project and cascade.untrusted():
        from fetchtoken.settings.trust import check_project_files

        if (error := check_project_files(cascade)) is not None:
            raise error
    settings = Settings(cascade)
    if cascade.tiers:
        for source, key in (("remote", "CODEX_REMOTE_API_KEY"), ("ssh", "CODEX_SSH_PASS")):
            if source in settings.sources:
                cascade.notes.extend(_open_secrets(cascade, key))
    return settings


def _open_secrets(cascade: Cascade, key: str) -> list[str]:
    """Return a line for each file that holds a secret key's value and is readable by others."""
    return [
        f"{tier.file.path} holds {key} and others can read it: chmod 600 {tier.file.path}"
        for tier in cascade.tiers
        if key in tier.values and tier.file.status.st_mode & 0o077 and os.name == "posix"
    ]
