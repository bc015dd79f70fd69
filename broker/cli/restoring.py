"""What ``restore`` does at the terminal: open the file, show how far it is, say what to do next."""

import os
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
        ConfigError: it cannot be read; and what :func:`broker.ops.restore.restore` raises.
    """
    configure(level="error")
    try:
        with (
            path.expanduser().open("rb") as file,
            shown("restore", file.tell, os.fstat(file.fileno()).st_size),
        ):
            return restore(
                place.home,
                place.settings(),
                file,
                name=str(path),
                config=place.config,
                peer=f"uid:{os.geteuid()} pid:{os.getpid()}",
                passphrase=passphrase,
            )
    except FileNotFoundError:
        raise NotFound(f"{path} does not exist", hint="check the path") from None
    except (IsADirectoryError, PermissionError) as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", hint=f"ls -ld {path}") from None


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
    speech.note(
        "tokens that live are served and clients keep their keys; nothing is sent to the issuer by itself:"
    )
    speech.note(
        "if the broker that made this backup has worked on since, its logins have moved on, and sending"
    )
    speech.note(
        "an old refresh token would end them for both: leave it running, or log in again and adopt here"
    )
    speech.note("if it stopped when the backup was made: codex-broker account refresh --all --force")
    if restored.in_doubt:
        names = ", ".join(restored.in_doubt)
        speech.note(
            f"in the middle of an exchange when it was made, so in doubt: {names}; account show says more"
        )
    speech.note("settings are not in a backup: bring broker.toml, then codex-broker check")
