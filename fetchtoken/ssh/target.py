"""The host that the settings name, and what ``~/.ssh/config`` adds to it."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from asyncssh.config import ConfigParseError, SSHClientConfig, SSHConfig

from fetchtoken.domain.errors import ConfigError
from fetchtoken.domain.secret import Secret

__all__ = ["Place", "Target", "place_of"]

GLOBAL_KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts"
_DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa", "id_ed25519_sk", "id_ecdsa_sk")
_DEFAULT_PORT = 22


@dataclass(frozen=True)
class Target:
    """Where to go and as whom, as configured; what is empty or 0 is left to ``~/.ssh/config``.

    Attributes:
        host, port, user: of ``CODEX_SSH_…``, or of a jump host.
        peer: how messages name it.
        key: the private key's file, or a public one that chooses a key of the agent's.
        password: given to this host only, after all keys were refused.
        known_hosts: the only file that is looked into, instead of the usual ones.
        home: the caller's home directory.
        environ: the caller's environment.
        passphrases: of key files, as far as a person has typed them.
    """

    host: str
    port: int
    user: str
    peer: str
    home: str
    environ: Mapping[str, str]
    key: str = ""
    password: Secret | None = None
    known_hosts: str = ""
    passphrases: Mapping[str, Secret] = field(default_factory=dict)

    @property
    def config_files(self) -> list[str]:
        """The ``~/.ssh/config``, where there is one."""
        path = os.path.join(self.home, ".ssh", "config")
        return [path] if os.access(path, os.R_OK) else []


@dataclass(frozen=True)
class Place:
    """What a target amounts to once ``~/.ssh/config`` was read.

    Attributes:
        host, port: where it listens.
        known_as: name and port under which ``known_hosts`` has it; an alias has no port, as in OpenSSH.
        jumps: the hosts on the way, first to last, as ``[USER@]HOST[:PORT]``.
        proxy_command: a command that leads there, or an empty string.
        known_hosts: absolute paths, the one to add to first.
        key_files: those that exist, in the order in which to offer them.
        certificates: for the keys.
        only_these: whether the agent's other keys stay out of it.
        agent: the agent's socket, or an empty string.
        chooses_host_keys: whether ``HostKeyAlgorithms`` is set.
    """

    host: str
    port: int
    known_as: tuple[str, int]
    jumps: tuple[str, ...]
    proxy_command: str
    known_hosts: tuple[str, ...]
    key_files: tuple[str, ...]
    certificates: tuple[str, ...]
    only_these: bool
    agent: str
    chooses_host_keys: bool


def place_of(target: Target) -> Place:
    """Read what ``~/.ssh/config`` says of a target; what the target itself says goes first.

    Raises:
        ConfigError: the file has a line that makes no sense, or nobody knows who we are.
    """
    try:
        local_user = getpass.getuser()
    except (KeyError, OSError):
        raise ConfigError("this user has no name, which SSH needs", hint="set USER") from None
    try:
        config = SSHClientConfig.load(
            None,
            target.config_files,
            *(False, False, False),  # neither a second reading, nor canonical, nor final
            *(local_user, target.user or (), target.host, target.port or ()),
        )
    except ConfigParseError as error:
        raise ConfigError(f"~/.ssh/config: {error}", hint=f"ssh -G {target.host}") from None
    found = _Reader(config, target)
    host = found.text("Hostname") or target.host
    port = target.port or found.number("Port") or _DEFAULT_PORT
    alias = found.text("HostKeyAlias")
    return Place(
        host=host,
        port=port,
        known_as=(alias, _DEFAULT_PORT) if alias else (host, port),
        jumps=tuple(hop.strip() for hop in found.text("ProxyJump").split(",") if hop.strip()),
        proxy_command=found.text("ProxyCommand"),
        known_hosts=found.known_hosts(),
        key_files=found.key_files(),
        certificates=tuple(path for path in found.paths("CertificateFile") if os.path.exists(path)),
        only_these=bool(target.key) or config.get("IdentitiesOnly") is True,
        agent=found.agent(),
        chooses_host_keys=config.get("HostKeyAlgorithms") is not None,
    )


class _Reader:
    """Values of a parsed configuration, in types of ours."""

    def __init__(self, config: SSHConfig, target: Target) -> None:
        self._config = config
        self._target = target

    def text(self, option: str) -> str:
        value = self._config.get(option)
        return value if isinstance(value, str) else ""

    def number(self, option: str) -> int:
        value = self._config.get(option)
        return value if isinstance(value, int) else 0

    def paths(self, option: str) -> list[str]:
        value = self._config.get(option)
        texts = value if isinstance(value, list) else []
        return [self._absolute(text) for text in texts]

    def _absolute(self, path: str) -> str:
        if path == "~" or path.startswith("~/"):
            return self._target.home + path[1:]
        return os.path.join(self._target.home, path)

    def known_hosts(self) -> tuple[str, ...]:
        if self._target.known_hosts:
            return (self._target.known_hosts,)
        own = self.paths("UserKnownHostsFile") or [self._absolute("~/.ssh/known_hosts")]
        return (*own, *(self.paths("GlobalKnownHostsFile") or [GLOBAL_KNOWN_HOSTS]))

    def key_files(self) -> tuple[str, ...]:
        if self._target.key:
            return (self._target.key,)
        named = self.paths("IdentityFile")
        if not named and self._config.get("IdentityFile") is None:
            named = [self._absolute(f"~/.ssh/{name}") for name in _DEFAULT_KEYS]
        return tuple(path for path in named if os.path.exists(path) or os.path.exists(path + ".pub"))

    def agent(self) -> str:
        value = self._config.get("IdentityAgent", ())
        if value is None:  # IdentityAgent none
            return ""
        named = value if isinstance(value, str) and value != "SSH_AUTH_SOCK" else ""
        return self._absolute(named) if named else self._target.environ.get("SSH_AUTH_SOCK", "")
