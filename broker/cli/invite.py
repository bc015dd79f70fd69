"""``codex-broker invite``: a code by which a machine makes itself a client."""

import shlex
from typing import Annotated, Any

import typer

from broker.cli import speech
from broker.cli.client import DefaultOption, ScopeOption
from broker.cli.durations import parse_duration_s
from broker.cli.options import ClientName, ConfigOption, HomeOption, JsonOption
from broker.cli.place import Place

__all__ = ["invite"]


def invite(  # noqa: PLR0913 - its options
    name: ClientName,
    *,
    accounts: Annotated[
        list[str], typer.Option("--account", metavar="ACCOUNT", help="To be granted; repeatable.")
    ],
    default: DefaultOption = None,
    scope: ScopeOption = "token",
    expires: Annotated[
        str, typer.Option("--expires", metavar="TIME", help="The code's life, such as 24h or 15m.")
    ] = "24h",
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the command that makes a machine the client CLIENT, once.

    client list shows the codes that wait to be used, client revoke ends one.
    """
    made = Place(home, config).call(
        "invite_add",
        name=name,
        accounts=accounts,
        scopes=scope.split(","),
        expires_s=parse_duration_s(expires),
        default=default,
    )
    command = _command(made)
    if as_json:
        shown = {key: value for key, value in made.items() if key not in ("local", "replaced")}
        speech.value({**shown, "command": command})
    else:
        speech.data(command)
    if made["local"]:
        speech.note("server.public_url is not set: only this machine can join at that address")
    if made["replaced"]:
        speech.note(f"the earlier code for {name} does not count any more")
    speech.note(f"one machine becomes {name} with it, until {made['expires_at']}; it is not shown again")
    speech.note("shell history and process lists show a code on a command line; --code - asks for it instead")


def _command(made: dict[str, Any]) -> str:
    words = ["codex-fetchtoken", "join", made["url"], "--code", made["code"]]
    if made["ca_sha256"]:
        words += ["--ca-sha256", made["ca_sha256"]]
    return shlex.join(words)
