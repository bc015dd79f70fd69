"""The settings: ``broker.toml`` below, the environment above it, options on top.

Each key is ``section.name``; ``CODEX_BROKER_<SECTION>_<NAME>`` overrides it. A key that nobody
knows is an error, in the file as in the environment: a misspelt safety setting must not pass
for a set one. Codex's own override variables have no effect here.
"""

import os
import tomllib
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from broker.ops.home import HOME_VARIABLE, Home
from broker.plaintext import is_loopback, refuse_unsafe
from broker.seal.keyfile import default_key_file
from fetchtoken.domain.errors import ConfigError, Unsafe
from fetchtoken.files.guard import read_text

__all__ = ["DEFAULT_PORT", "PREFIX", "Settings", "load_settings"]

PREFIX = "CODEX_BROKER_"
DEFAULT_PORT = 7455
_SQLITE = "sqlite:///"
_WRITABLE_BY_OTHERS = 0o022
_HIGHEST_PORT = 65_535


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Server(_Section):
    """Where the daemon listens."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = DEFAULT_PORT
    public_url: str = ""
    """How clients reach it; other ``Host`` headers are then refused."""
    behind_proxy: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    """Addresses of the TLS proxy in front, as CIDR; only their ``X-Forwarded-For`` counts."""

    @field_validator("behind_proxy", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        items = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
        return tuple(ip_network(str(item)) for item in items if item) if isinstance(items, list) else items

    @field_validator("public_url")
    @classmethod
    def _origin(cls, value: str) -> str:
        if value and urlsplit(value).scheme not in ("http", "https"):
            message = "must start with https://"
            raise ValueError(message)
        return value.rstrip("/")

    @property
    def public_host(self) -> str:
        """The host in ``public_url``, or an empty text."""
        return urlsplit(self.public_url).hostname or ""


class Tls(_Section):
    """The certificate with which the daemon serves https itself; both files or neither."""

    cert: Path | None = None
    """PEM file: the certificate, then its issuers'."""
    key: Path | None = None

    @property
    def is_on(self) -> bool:
        """Whether the daemon serves https."""
        return self.cert is not None and self.key is not None


class StorePlace(_Section):
    """Where the store is."""

    url: str = ""

    @field_validator("url")
    @classmethod
    def _known(cls, value: str) -> str:
        if value and not value.startswith(_SQLITE):
            message = f"this version stores in SQLite only, as {_SQLITE}/absolute/path"
            raise ValueError(message)
        return value


class SealPlace(_Section):
    """Where the master key is."""

    key_file: Path | None = None


class Issuer(_Section):
    """Whom the logins come from."""

    url: str = "https://auth.openai.com"
    backend_url: str = "https://chatgpt.com/backend-api"
    """What access tokens open; ``check`` tells whether it can be reached from here."""

    @field_validator("url", "backend_url")
    @classmethod
    def _origin(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            message = "must be an https:// address"
            raise ValueError(message)
        return value.rstrip("/")

    @property
    def is_loopback(self) -> bool:
        """Whether it is an issuer for trying, on this machine."""
        return is_loopback(urlsplit(self.url).hostname or "")


class Refresh(_Section):
    """When and how tokens are exchanged."""

    at: Annotated[float, Field(ge=0.05, le=0.95)] = 0.6
    """Part of a token's life after which it is due."""
    parallel: Annotated[int, Field(ge=1, le=64)] = 4
    """Most exchanges at one time."""
    lease: Annotated[int, Field(ge=60, le=3600)] = 90
    """Seconds for which an attempt is its owner's; an exchange may last 50."""
    absence: Annotated[int, Field(ge=3600, le=90 * 86_400)] = 72 * 3600
    """Seconds for which nobody may be at work in a home before its accounts wait for a person."""


class Ssh(_Section):
    """The SSH front door."""

    listen: str = ""
    """``HOST:PORT``, or nothing."""

    @field_validator("listen")
    @classmethod
    def _place(cls, value: str) -> str:
        host, colon, port = value.rpartition(":")
        numbered = port.isascii() and port.isdigit() and int(port[:6]) <= _HIGHEST_PORT
        bare = host.startswith("[") == host.endswith("]") and (":" not in host or host.startswith("["))
        if value in ("", "off"):
            return ""
        if not (colon and host.strip("[]") and numbered and bare):
            message = "must be HOST:PORT, such as 0.0.0.0:7422, or off"
            raise ValueError(message)
        return value

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port, or ``None`` where it is off."""
        host, _, port = self.listen.rpartition(":")
        return (host.strip("[]"), int(port)) if self.listen else None


class Clock(_Section):
    """Time, for rehearsals against an issuer on this machine."""

    offset: float = 0.0
    """Seconds added to the clock."""


class Settings(BaseSettings):
    """All settings of one daemon."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="_",
        env_nested_max_split=1,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    server: Server = Server()
    tls: Tls = Tls()
    store: StorePlace = StorePlace()
    seal: SealPlace = SealPlace()
    issuer: Issuer = Issuer()
    refresh: Refresh = Refresh()
    ssh: Ssh = Ssh()
    clock: Clock = Clock()

    @classmethod
    def settings_customise_sources(  # noqa: D102 - the library's hook
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - same
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - same
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings

    def store_url(self, home: Home) -> str:
        """Return where the store is, by default ``broker.db`` in the home."""
        return self.store.url or f"{_SQLITE}{home.database}"

    def store_file(self, home: Home) -> Path:
        """Return the SQLite file of the store."""
        return Path(self.store_url(home).removeprefix(_SQLITE))

    def key_file(self, home: Home, environ: Mapping[str, str]) -> Path:
        """Return the master key's file: the setting, systemd's credential, the home's own."""
        return self.seal.key_file or default_key_file(home.path, environ)


def load_settings(
    home: Home, config: Path | None = None, *, host: str | None = None, port: int | None = None
) -> Settings:
    """Read file, environment and options into settings that are safe to serve with.

    Args:
        home: its ``broker.toml`` is read where there is one.
        config: a file instead of that one; it must exist.
        host: ``--host``.
        port: ``--port``.

    Raises:
        ConfigError: a key that nobody knows, or a value that is none; both are named.
        NotFound: ``config`` does not exist.
        Unsafe: plain http to another machine, in or out; a file that others can change.
    """
    path = config or home.config
    document = _read_toml(path, home) if config or path.exists() else {}
    _refuse_unknown(document, path)
    options = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    try:
        settings = Settings(**document)
        settings = settings.model_copy(
            update={"server": Server.model_validate({**settings.server.model_dump(), **options})}
        )
    except ValidationError as error:
        raise _invalid(error, path) from None
    refuse_unsafe(settings)
    return settings


def _read_toml(path: Path, home: Home) -> dict[str, Any]:
    text = read_text(str(path), private=False)
    status = path.stat()
    owners = {0, os.geteuid(), *([home.path.stat().st_uid] if home.exists() else [])}
    if status.st_uid not in owners or status.st_mode & _WRITABLE_BY_OTHERS:
        # Whoever can name the issuer gets the refresh tokens.
        raise Unsafe(f"{path} can be changed by others", hint=f"chown and chmod go-w {path}")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}", hint=f"correct {path}") from None


def _known() -> dict[str, set[str]]:
    return {
        section: set(field.annotation.model_fields)
        for section, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    }


def _refuse_unknown(document: dict[str, Any], path: Path) -> None:
    known = _known()
    for section, table in document.items():
        if not isinstance(table, dict):
            raise _unknown(section, str(path))
        if section not in known:
            raise _unknown(".".join([section, *list(table)[:1]]), str(path))
        for key in table.keys() - known[section]:
            raise _unknown(f"{section}.{key}", str(path))
    for variable in sorted(os.environ):
        if not variable.upper().startswith(PREFIX) or variable == HOME_VARIABLE:
            continue
        section, _, key = variable.removeprefix(PREFIX).lower().partition("_")
        if key not in known.get(section, ()):
            raise _unknown(variable, "the environment")


def _unknown(name: str, where: str) -> ConfigError:
    known = _known()
    section = name.removeprefix(PREFIX).lower().partition("." if "." in name else "_")[0]
    keys = [f"{section}.{key}" for key in sorted(known.get(section, ()))] or sorted(known)
    what = "keys" if section in known else "sections"
    return ConfigError(f"unknown setting {name} in {where}", hint=f"the {what} are {', '.join(keys)}")


def _invalid(error: ValidationError, path: Path) -> ConfigError:
    first = error.errors(include_url=False, include_input=False)[0]
    name = ".".join(str(part) for part in first["loc"][:2])
    message = first["msg"].removeprefix("Value error, ")
    variable = PREFIX + name.replace(".", "_").upper()
    return ConfigError(f"setting {name}: {message}", hint=f"correct it in {path}, {variable} or the option")
