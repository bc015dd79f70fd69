"""Make a home ready: directories, settings to edit, master key, host key."""

import os
from pathlib import Path

from broker.ops.home import Home
from broker.ops.hostkey import make_host_key
from broker.seal.keyfile import create_keyring
from broker.settings import Settings
from fetchtoken.domain.errors import ConfigError
from fetchtoken.files.atomic import replace_file

__all__ = ["make_home", "require_key"]

_TEMPLATE = """\
# Settings of codex-broker. Each can also be set in the environment, as
# CODEX_BROKER_<SECTION>_<KEY>. What is commented out shows the default.

[server]
# host = "127.0.0.1"
# port = 7455
# public_url = "https://broker.example.com"
# behind_proxy = ["10.0.0.0/8"]

[tls]
# cert = "/etc/codex-broker/tls.crt"
# key = "/etc/codex-broker/tls.key"

[refresh]
# at = 0.6
# parallel = 4
# lease = 90

[ssh]
# listen = "0.0.0.0:7422"
"""


def make_home(home: Home, settings: Settings, *, config: Path | None) -> bool:
    """Make what is missing of a home; what is there stays as it is.

    Args:
        home: the home.
        settings: where its key file and store are.
        config: the settings file in use, where it is not the home's own.

    Returns:
        Whether the home is new; one whose making had ended halfway is.

    Raises:
        ConfigError: it cannot be made, or the store is there and its master key is not.
        Unsafe: it is another user's, or open to others.
    """
    new = home.make()
    if config is None and not home.config.exists():
        try:
            replace_file(str(home.config), _TEMPLATE.encode())
        except OSError as error:
            raise ConfigError(
                f"{home.config} cannot be written: {error.strerror}", hint="free or mend the disk"
            ) from None
    if not require_key(home, settings):
        create_keyring(settings.key_file(home, os.environ))
        new = True
    make_host_key(home.ssh_host_key)
    return new


def require_key(home: Home, settings: Settings) -> bool:
    """Tell whether there is a master key; without one there must be no store either.

    Raises:
        ConfigError: the store is there and its key is not.
    """
    key_file = settings.key_file(home, os.environ)
    if key_file.exists():
        return True
    store = settings.store_file(home)
    if store.exists():
        raise ConfigError(
            f"{store} is there, but its master key {key_file} is not",
            hint="bring the key file back; a new one would open nothing",
        )
    return False
