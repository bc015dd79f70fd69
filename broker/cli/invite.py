"""``codex-broker invite``: a code by which a machine makes itself a client, or logs in as one."""

import shlex
from typing import Annotated, Any

import typer

from broker.cli import speech
from broker.cli.client import DefaultOption, ScopeOption
from broker.cli.durations import parse_duration_s
from broker.cli.options import ClientName, ConfigOption, HomeOption, JsonOption
from broker.cli.place import Place
from fetchtoken.domain.errors import ConfigError

__all__ = ["invite"]


def invite(  # noqa: PLR0913 - its options
    name: ClientName,
    *,
    accounts: Annotated[
        list[str] | None, typer.Option("--account", metavar="ACCOUNT", help="To be granted; repeatable.")
    ] = None,
    default: DefaultOption = None,
    scope: ScopeOption = "token",
    device: Annotated[
        bool, typer.Option("--device", help="For a device login of CLIENT, which is there already.")
    ] = False,
    expires: Annotated[
        str, typer.Option("--expires", metavar="TIME", help="The code's life, such as 24h or 15m.")
    ] = "24h",
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the command that makes a machine the client CLIENT, once.

    Its code also approves a device login of the Codex CLI, which needs nothing of ours on the machine. With
    --device it does that alone, for a client that is there; --account then narrows its accounts.

    client list shows the codes that wait to be used. A newer code for CLIENT ends the one before; so does
    client revoke, which refuses the client itself where it is there.
    """
    place, expires_s = Place(home, config), parse_duration_s(expires)
    if device:
        if default is not None or scope != "token":
            raise ConfigError(
                "--default and --scope are for a client that is to be made", hint="codex-broker invite --help"
            )
        made = place.call("invite_device", name=name, accounts=accounts or [], expires_s=expires_s)
    elif accounts:
        made = place.call(
            "invite_add",
            name=name,
            accounts=accounts,
            scopes=scope.split(","),
            expires_s=expires_s,
            default=default,
        )
    else:
        raise ConfigError("Missing option '--account'", hint="codex-broker invite --help")
    if as_json:
        shown = {key: value for key, value in made.items() if key not in ("local", "replaced")}
        speech.value({**shown, "command": _login(made) if device else _join(made)})
    else:
        speech.data(made["code"] if device else _join(made))
    if made["replaced"]:
        speech.note(f"the earlier code for {name} does not count any more")
    (_note_device if device else _note_join)(name, made)


def _note_join(name: str, made: dict[str, Any]) -> None:
    if made["local"]:
        speech.note("server.public_url is not set: only this machine can join at that address")
    speech.note(f"one machine becomes {name} with it, until {made['expires_at']}; it is not shown again")
    speech.note("shell history and process lists show a code on a command line; --code - asks for it instead")
    if not made["local"]:
        speech.note(f"with nothing of ours there: {_login(made)}")
        _note_page(made)


def _note_device(name: str, made: dict[str, Any]) -> None:
    speech.note(f"it lets one machine of {name} in, until {made['expires_at']}, and is not shown again")
    speech.note(f"on that machine: {_login(made)}")
    _note_page(made)


def _note_page(made: dict[str, Any]) -> None:
    speech.note(f"then type what that shows, and this code, at {made['url']}/codex/device")
    speech.note(
        "codex login deletes a login that is there: adopt it or move it away first; codex logout posts"
    )
    speech.note(
        "the new credential to OpenAI, so that lives for 30 days at most (broker/README.md, Device login)"
    )


def _login(made: dict[str, Any]) -> str:
    return shlex.join(["codex", "login", "--device-auth", "--experimental_issuer", made["url"]])


def _join(made: dict[str, Any]) -> str:
    words = ["codex-fetchtoken", "join", made["url"], "--code", made["code"]]
    if made["ca_sha256"]:
        words += ["--ca-sha256", made["ca_sha256"]]
    return shlex.join(words)
