"""``codex-broker backup|restore``: the whole store in one sealed file, and back."""

import errno
import os
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from broker.cli import speech
from broker.cli.identity import as_owner_of
from broker.cli.options import ConfigOption, HomeOption, JsonOption
from broker.cli.place import Place
from broker.cli.progress import shown
from fetchtoken.domain.errors import ConfigError, Unavailable

__all__ = ["backup", "restore"]

FileArgument = Annotated[str, typer.Argument(metavar="FILE", help="What backup wrote.")]
PassphraseOption = Annotated[
    str | None,
    typer.Option("--passphrase-file", metavar="FILE|-", help="Read the passphrase here instead of asking."),
]


def backup(  # noqa: PLR0913 - its options
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="A new file, made 0600.")],
    *,
    with_key: Annotated[
        bool, typer.Option("--with-key", help="Put the master keys inside, under a passphrase.")
    ] = False,
    passphrase_file: PassphraseOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the whole store into one sealed file; the daemon works on."""
    from broker.cli.passphrases import new_passphrase
    from broker.seal.passphrase import stretch

    if passphrase_file is not None and not with_key:
        raise ConfigError("--passphrase-file is for --with-key", hint="codex-broker backup --help")
    _refuse_target(file, as_json=as_json)
    stretched = stretch(new_passphrase(passphrase_file)).to_document() if with_key else None
    made = {"file": file, **_make(Place(home, config), file, stretched)}
    _tell(made, as_json=as_json)


def restore(
    file: FileArgument,
    *,
    passphrase_file: PassphraseOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a home's store from a backup, and send nothing by itself."""
    from broker.cli.passphrases import old_passphrase
    from broker.cli.restoring import restore_file, tell_restored

    place = Place(home, config)
    restored = restore_file(place, Path(file), lambda: old_passphrase(passphrase_file))
    tell_restored(restored, place, as_json=as_json)


def _refuse_target(file: str, *, as_json: bool) -> None:
    """Refuse what could only fail after all the work."""
    from broker.ops.drafts import exists, unwritable

    if file == "-":
        if sys.stdout.isatty() or as_json:
            raise ConfigError("a backup is no text to show", hint="codex-broker backup - > FILE")
        return
    target = _absolute(file)
    try:
        target.parent.stat()
        target.lstat()
    except FileNotFoundError:
        if not target.parent.exists():
            raise unwritable(target, errno.ENOENT) from None
        if not os.access(target.parent, os.W_OK):
            raise unwritable(target, errno.EACCES) from None
    except OSError as error:
        raise unwritable(target, error.errno or errno.EIO) from None
    else:
        raise exists(target)


def _absolute(file: str) -> Path:
    return Path(file).expanduser().absolute()


def _make(place: Place, file: str, stretched: dict[str, Any] | None) -> dict[str, Any]:
    """Have the holder of the home write a draft there, then bring it to where it is wanted."""
    from broker.ops.backup import DRAFT
    from broker.ops.drafts import draft, put

    with place.session() as call, ExitStack() as stack:
        try:
            with as_owner_of(place.home.path):
                path, content = stack.enter_context(draft(place.home.path, DRAFT))
        except OSError as error:
            raise Unavailable(
                f"the backup cannot be written in {place.home.path}: {error.strerror}",
                hint=f"df {place.home.path}",
            ) from None
        with shown("backup", lambda: path.stat().st_size):
            made: dict[str, Any] = call("backup_write", draft=path.name, stretched=stretched)
        if file == "-":
            _pour(content)
        else:
            put(content, _absolute(file))
    return made


def _pour(content: BinaryIO) -> None:
    try:
        # A buffer of its own: Python's fails once more at the exit, with another code.
        with os.fdopen(sys.stdout.fileno(), "wb", closefd=False) as output:
            shutil.copyfileobj(content, output, 1 << 20)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ConfigError(
            f"standard output cannot be written: {error.strerror}", hint="free the disk, or name a FILE"
        ) from None


def _tell(made: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        speech.value(made)
        return
    if made["file"] != "-":
        speech.data(
            f"{made['file']}: {made['accounts']} accounts, {made['clients']} clients, {made['made_at']}"
        )
    keys = ", ".join(made["key_ids"])
    if made["with_key"]:
        speech.note(f"master key {keys} is inside, under the passphrase: whoever has both has every login")
    else:
        speech.note(f"sealed under master key {keys}, which is in {made['key_file']} and not in this file:")
        speech.note("keep a copy of the key elsewhere; without it the file opens nothing")
    speech.note("settings and answers still in the journal are not inside")
