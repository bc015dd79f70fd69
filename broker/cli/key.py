"""``codex-broker key …``: the master keys that everything is sealed with."""

from typing import Annotated, Any

import typer

from broker.cli import speech
from broker.cli.options import ConfigOption, HomeOption, JsonOption
from broker.cli.place import Place
from fetchtoken.domain.errors import Unsafe

__all__ = ["key"]

COLUMNS = {
    "key_id": "KEY ID",
    "current": "CURRENT",
    "in_key_file": "IN KEY FILE",
    "since": "SINCE",
    "boxes": "BOXES",
    "journal_files": "JOURNAL FILES",
    "needed_by": "NEEDED BY",
}

key = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="The master keys that everything is sealed with."
)


@key.command()
def rotate(
    *,
    keep_old: Annotated[
        bool, typer.Option("--keep-old", help="Leave former keys in the key file, for older backups.")
    ] = False,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a new master key in force, or finish doing so."""
    from broker.cli.rotating import rotate_keys

    with Place(home, config).session() as call:
        done = rotate_keys(call, keep_old=keep_old)
    if as_json:
        speech.value(done)
    else:
        word = "rotated" if done["new"] else "finished the rotation"
        speech.data(f"{word} to key {done['key_id']}, sealed records: {done['rewrapped']}")
    _tell_what_follows(done, keep_old=keep_old)


@key.command("list")
def list_(*, home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the master keys and what still needs each."""
    keys = Place(home, config).call("key_list")
    if as_json:
        speech.value(keys)
    else:
        speech.table(keys, COLUMNS)


def _tell_what_follows(done: dict[str, Any], *, keep_old: bool) -> None:
    """Say what the person has to keep, and what is left to do.

    Raises:
        Unsafe: records do not open.
    """
    file = done["key_file"]
    speech.note(
        f"copy {file} to where you keep it, now: an older copy does not open what is sealed from now on"
    )
    for key_id in done["retired"]:
        speech.note(f"key {key_id} is retired: only old copies of {file} have it, and old backups need it")
    if keep_old:
        speech.note("former keys stay, for older backups; a rotation without --keep-old retires them")
    for kept in done["kept"]:
        needs = "; ".join(kept["needed_by"])
        speech.note(f"key {kept['key_id']} stays in {file}: it is needed by {needs}")
    if done["kept"]:
        speech.note("the next codex-broker key rotate retires what is not needed any more; key list tells")
    if done["damaged"]:
        raise Unsafe(
            f"{len(done['damaged'])} sealed records do not open and stay as they are:"
            f" {', '.join(done['damaged'])}",
            hint="codex-broker check tells whose they are",
            code="sealed",
        )
