"""Ask for a passphrase, or read it from a file; never from the command line or the environment."""

import sys
from getpass import getpass
from pathlib import Path

from fetchtoken.domain.errors import ConfigError
from fetchtoken.domain.secret import Secret
from fetchtoken.files.guard import read_private

__all__ = ["new_passphrase", "old_passphrase"]


def new_passphrase(file: str | None) -> Secret:
    """Return a passphrase that nothing is sealed under yet: asked for twice, or read.

    Args:
        file: a file that nobody else can read, ``-`` for standard input, or ``None`` to ask.

    Raises:
        ConfigError: there is nobody to ask, or the two differ.
        NotFound, Unsafe, Malformed: the file.
    """
    if file is not None:
        return _read(file)
    first = _ask("passphrase for the master keys in this backup: ")
    if _ask("the same again: ") != first:
        raise ConfigError("the two passphrases differ", hint="run it again")
    return first


def old_passphrase(file: str | None) -> Secret:
    """Return the passphrase of a backup: asked for, or read; arguments and errors as above."""
    return _ask("passphrase of the master keys in this backup: ") if file is None else _read(file)


def _ask(prompt: str) -> Secret:
    if not sys.stdin.isatty():
        raise ConfigError(
            "a passphrase is needed, and there is no terminal to ask at",
            hint="--passphrase-file FILE, or --passphrase-file - for standard input",
        )
    try:
        return Secret(getpass(prompt, sys.stderr))
    except EOFError:
        raise KeyboardInterrupt from None


def _read(file: str) -> Secret:
    if file == "-":
        # As a file is read, whatever the locale: the same bytes are to open it on any machine.
        text = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    else:
        text = read_private(str(Path(file).expanduser()))
    # Editors and echo end the last line.
    return Secret(text.removesuffix("\n").removesuffix("\r"))
