"""What ``restore`` does at the terminal: open the file, show how far it is, say what to do next."""

import os
import shlex
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from broker.cli import speech
from broker.cli.place import Place
from broker.cli.progress import shown
from broker.ops.restore import Restored, restore
from broker.telemetry.log import configure
from fetchtoken.domain.errors import ConfigError, NotFound
from fetchtoken.domain.secret import Secret

__all__ = ["restore_file", "tell_restored"]


def restore_file(place: Place, path: Path, passphrase: Callable[[], Secret]) -> Restored:
    """Make a home's store from a file.

    Args:
        place: the home, which has no store.
        path: the backup.
        passphrase: called where the backup's own keys are needed.

    Raises:
        NotFound: there is no such file.
        Unsafe: the home is another user's.
        ConfigError: it cannot be read; and what :func:`broker.ops.restore.restore` raises.
    """
    configure(level="error")
    try:
        with (
            path.expanduser().open("rb") as file,
            shown("restore", file.tell, os.fstat(file.fileno()).st_size),
        ):
            if place.home.exists():
                # Before its settings are read: root touches nothing in another user's home.
                place.home.check()
            return restore(
                place.home,
                place.settings(),
                file,
                name=str(path),
                config=place.config,
                peer=f"uid:{os.geteuid()} pid:{os.getpid()}",
                passphrase=passphrase,
            )
    except FileNotFoundError as error:
        raise NotFound(f"{error.filename or path} does not exist", hint="check the path") from None
    except OSError as error:
        what = error.filename or path
        raise ConfigError(f"{what} cannot be read: {error.strerror}", hint=f"ls -ld {what}") from None


def tell_restored(restored: Restored, place: Place, *, as_json: bool) -> None:
    """Say what came back, what it does by itself, which is nothing, and what is next."""
    if as_json:
        speech.value({"home": str(place.home.path), **asdict(restored)})
        return
    speech.data(
        f"{place.home.path}: {restored.accounts} accounts, {restored.clients} clients, {restored.made_at}"
    )
    if restored.key_came:
        speech.note(f"its master keys are in {restored.key_file} now: keep a copy elsewhere")
    force = shlex.join(["codex-broker", "account", "refresh", "--all", "--force", *place.options()])
    speech.note(
        "live tokens are served, clients are as they were then, and nothing is sent to the issuer by itself"
    )
    speech.note("is the broker that made this backup still at work? leave the logins to it")
    speech.note(
        "has it worked on since? log in again and adopt: an old refresh token would end the login for both"
    )
    speech.note(f"has nothing used these logins since? {force}")
    if restored.in_doubt:
        names = ", ".join(restored.in_doubt)
        speech.note(f"in doubt, since an exchange was under way when it was made: {names}; see account show")
    speech.note("settings are not in a backup: bring broker.toml, then run check")
