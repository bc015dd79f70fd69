"""``codex-broker client …``: whoever may fetch tokens here."""

from typing import Annotated, Any

import typer

from broker.cli import speech
from broker.cli.durations import parse_duration_s
from broker.cli.frontdoor import show_door
from broker.cli.options import ClientName, ConfigOption, HomeOption, JsonOption
from broker.cli.place import Place
from broker.cli.publickeys import read_public_keys
from fetchtoken.domain.errors import ConfigError

__all__ = ["DefaultOption", "ScopeOption", "client"]

COLUMNS = {
    "client": "CLIENT",
    "state": "STATE",
    "accounts": "ACCOUNTS",
    "default": "DEFAULT",
    "scopes": "SCOPES",
    "expires_at": "EXPIRES",
}

client = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Machines, jobs and people with a key."
)

AccountsArgument = Annotated[list[str], typer.Argument(metavar="ACCOUNT", help="Their names.")]
DefaultOption = Annotated[
    str | None, typer.Option("--default", metavar="ACCOUNT", help="Served where no account is named.")
]

SshKeyOption = Annotated[
    str | None,
    typer.Option(
        "--ssh-key", metavar="FILE", help="OpenSSH public keys for the SSH front door; - for stdin."
    ),
]


MachineOption = Annotated[
    bool, typer.Option("--machine", help="And a credential for OAuth clients such as Codex.")
]
ScopeOption = Annotated[str, typer.Option("--scope", metavar="LIST", help="token, quota, admin.")]


@client.command()
def add(  # noqa: PLR0913 - its options
    name: ClientName,
    *,
    accounts: Annotated[
        list[str], typer.Option("--account", metavar="ACCOUNT", help="May use this one; repeatable.")
    ],
    default: DefaultOption = None,
    scope: ScopeOption = "token",
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="TIME", help="The key's life, such as 90d or 12h.")
    ] = None,
    ssh_key: SshKeyOption = None,
    machine: MachineOption = False,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a client and print its API key, which is shown this once."""
    wishes = {"accounts": accounts, "default": default, "scopes": scope.split(","), "machine": machine}
    expires_s = None if expires is None else parse_duration_s(expires)
    keys = {} if ssh_key is None else {"ssh_keys": read_public_keys(ssh_key)}
    with Place(home, config).session() as call:
        added = call("client_add", name=name, expires_s=expires_s, **wishes, **keys)
        _show_key(added, as_json=as_json)
        if keys:
            show_door(call)


@client.command("list")
def list_(*, home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the clients, invited ones too, and what they may use."""
    clients = Place(home, config).call("client_list")
    if as_json:
        speech.value(clients)
    elif clients:
        speech.table(clients, COLUMNS)
    else:
        speech.note("there are no clients yet; codex-broker invite NAME --account ACCOUNT makes one")


@client.command()
def show(
    name: ClientName, *, home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Show one client; its key cannot be shown again."""
    detail = Place(home, config).call("client_show", name=name)
    if as_json:
        speech.value(detail)
    else:
        held = [_machine_line(one) for one in detail.pop("machines", ())]
        speech.pairs(detail | ({"machines": held} if held else {}))


def _machine_line(machine: dict[str, Any]) -> str:
    used = f"used {machine['last_used_at']}" if machine["last_used_at"] else "not used yet"
    return f"{machine['machine']} {machine['name']} for {machine['account']} ({machine['state']}; {used})"


@client.command()
def grant(
    name: ClientName,
    accounts: AccountsArgument,
    *,
    default: DefaultOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Let a client use more accounts."""
    granted = Place(home, config).call("client_grant", name=name, accounts=accounts, default=default)
    speech.data(f"{name} may use {', '.join(granted['accounts'])}")


@client.command()
def ungrant(
    name: ClientName, accounts: AccountsArgument, *, home: HomeOption = None, config: ConfigOption = None
) -> None:
    """Take accounts away from a client."""
    left = Place(home, config).call("client_ungrant", name=name, accounts=accounts)
    speech.data(f"{name} may use {', '.join(left['accounts']) or 'nothing'}")


@client.command()
def rotate(  # noqa: PLR0913 - its options
    name: ClientName,
    *,
    ssh_key: SshKeyOption = None,
    no_ssh_key: Annotated[bool, typer.Option("--no-ssh-key", help="Take its SSH keys away.")] = False,
    machine: Annotated[
        bool, typer.Option("--machine", help="A new machine credential; the former ones end.")
    ] = False,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a client a new API key, or other SSH keys.

    The old ones stop working at once, and so do machine credentials that the old API key was exchanged for;
    what else counts as before is said. With --ssh-key, --no-ssh-key or --machine its API key stays as it is.
    """
    if (ssh_key is not None) + no_ssh_key + machine > 1:
        raise ConfigError("--ssh-key, --no-ssh-key and --machine exclude each other", hint="give one of them")
    place = Place(home, config)
    if ssh_key is None and not no_ssh_key:
        rotated = place.call("client_rotate", name=name, machine=machine)
        _show_key(rotated, as_json=as_json)
        if not as_json:
            _note_ended(rotated["machines_ended"], with_key=not machine)
            _note_left(rotated)
        return
    keys = None if ssh_key is None else read_public_keys(ssh_key)
    with place.session() as call:
        rotated = call("client_ssh_keys", name=name, ssh_keys=keys)
        if as_json:
            speech.value(rotated)
        else:
            speech.data(f"{name} has {', '.join(rotated['ssh_keys']) or 'no SSH key'}")
        if keys is not None:
            show_door(call)


@client.command()
def revoke(
    name: ClientName,
    *,
    machine: Annotated[
        int | None, typer.Option("--machine", metavar="NUMBER", help="Only this machine credential.")
    ] = None,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Refuse a client's keys from now on, and end its invites."""
    Place(home, config).call("client_revoke", name=name, machine=machine)
    speech.data(f"revoked {name}" if machine is None else f"revoked machine credential {machine} of {name}")


def _note_ended(machines: list[dict[str, Any]], *, with_key: bool) -> None:
    """Say which machines have to come anew."""
    if machines and not with_key:
        speech.note(f"all that it had of these ended: {_names(machines)}")
        return
    if machines:
        names = _names(machines)
        speech.note(f"machine credentials that the old key was exchanged for ended with it: {names}")
        speech.note("each of those machines needs the new key, and a new credential by it")


def _note_left(rotated: dict[str, Any]) -> None:
    """Say what a new key ends nothing of: whoever rotates it for a lost machine must know."""
    name = rotated["client"]
    if machines := rotated.get("machines_left"):
        speech.note(f"these machine credentials of {name} count as before: {_names(machines)}")
        speech.note(f"to end one: codex-broker client revoke {name} --machine NUMBER")
    if keys := rotated.get("ssh_keys_left"):
        speech.note(f"its SSH keys count as before: {', '.join(keys)}")
        speech.note(f"to end them: codex-broker client rotate {name} --no-ssh-key")


def _names(machines: list[dict[str, Any]]) -> str:
    return ", ".join(f"{one['machine']} ({one['name']})" for one in machines)


def _show_key(made: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        speech.value(made)
        return
    if "api_key" in made:
        speech.data(made["api_key"])
        speech.note(f"this is the API key of {made['client']}; it is not shown again")
        speech.note("on that machine, put it into a file of mode 600 named by CODEX_REMOTE_API_KEY_FILE,")
        speech.note("and set CODEX_TOKEN_SOURCE=remote and CODEX_REMOTE_URL")
    if "refresh_token" in made:
        speech.data(made["refresh_token"])
        speech.note(f"this is a machine credential of {made['client']}; it is not shown again")
        speech.note("an OAuth client uses it as its refresh token, at this broker's /oauth/token")
