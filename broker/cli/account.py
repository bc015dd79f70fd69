"""``codex-broker account …``: the logins that the broker keeps alive."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from broker.admin.wire import from_problem
from broker.cli import speech
from broker.cli.options import AccountName, ConfigOption, HomeOption, JsonOption
from broker.cli.place import Place
from broker.cli.reading import read_documents
from fetchtoken.domain.errors import ConfigError
from fetchtoken.formats import codex_login
from fetchtoken.formats.places import Tool

__all__ = ["account"]

COLUMNS = {
    "account": "ACCOUNT",
    "plan_type": "PLAN",
    "state": "STATE",
    "disabled": "DISABLED",
    "expires_at": "EXPIRES",
    "refresh_after": "REFRESH AFTER",
    "source": "SOURCE",
}

_MOST_TOLD = 5

account = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The logins that are kept alive.")

NameOption = Annotated[str | None, typer.Option("--name", metavar="NAME", help="What to call the account.")]


@account.command()
def adopt(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A login file of Codex, CCS, opencode or others.")
    ],
    *,
    name: NameOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take over a login and leave its file access-only. Nothing else can refresh it then."""
    from broker.cli.adopting import adopt_file

    with Place(home, config).session() as call:
        adopted, tool = adopt_file(call, file, name)
    show_adopted(adopted, file, tool, as_json=as_json)


def show_adopted(adopted: dict[str, object], file: Path, tool: Tool, *, as_json: bool) -> None:
    """Say what was adopted and what the person has to do now."""
    if as_json:
        speech.value(adopted)
    else:
        speech.data(f"adopted {adopted['account']}")
    if adopted["disabled"]:
        speech.note(f"it stays disabled, as it was before: codex-broker account enable {adopted['account']}")
    if tool.form != codex_login.KEY:
        speech.note(f"{file} now holds an access token only; restart {tool.name}")
        speech.note(
            "the broker keeps it fresh where the file lies on its host and belongs to its user or root;"
            f" anywhere else it ends at {adopted['expires_at']}"
        )
        return
    speech.note(f"{file} now holds an access token only; restart every Codex that is running with it")
    directory = file.expanduser().absolute().parent
    sync = shlex.join(["codex-fetchtoken", "sync", "--codex-home", str(directory)])
    speech.note(f"to keep it fresh, run this from a timer, with this broker as remote source: {sync}")


@account.command("import")
def import_(  # noqa: PLR0913 - its options
    source: Annotated[str, typer.Argument(metavar="FILE|DIR|-", help="Login files of any tool.")],
    *,
    name: NameOption = None,
    sole_owner: Annotated[
        bool, typer.Option("--sole-owner", help="Nothing else will use this login: no Codex, no copy.")
    ] = False,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy logins in, leaving their files as they are."""
    documents = read_documents(source)
    imported = Place(home, config).call(
        "account_import", documents=documents, name=name, sole_owner=sole_owner
    )
    if as_json:
        speech.value(imported)
    else:
        speech.table(imported, COLUMNS)


@account.command("list")
def list_(*, home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the accounts: state, plan, and how long their tokens live."""
    with Place(home, config).session() as call:
        accounts = call("accounts_list")
        troubles = [] if as_json else call("accounts_troubles")
    if as_json:
        speech.value(accounts)
    elif accounts:
        speech.table(accounts, COLUMNS)
        for trouble in troubles[:_MOST_TOLD]:
            name = trouble["account"]
            speech.note(f"{name} {trouble['problem']}: codex-broker account show {name}")
        if len(troubles) > _MOST_TOLD:
            speech.note(f"{len(troubles) - _MOST_TOLD} more need a person: codex-broker check")
    else:
        speech.note("there are no accounts yet; codex-broker account adopt ~/.codex/auth.json takes one over")


@account.command()
def show(
    name: AccountName, *, home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Show one account: its state, what is wrong, and what to do."""
    detail = Place(home, config).call("account_show", name=name)
    if as_json:
        speech.value(detail)
    else:
        late = [f"generation {answer['generation']} at {answer['at']}" for answer in detail["late_answers"]]
        speech.pairs({**detail, "late_answers": late})


@account.command()
def refresh(
    name: Annotated[str | None, typer.Argument(metavar="ACCOUNT", help="This one.")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every account.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Even where the token is not due yet.")] = False,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Exchange the refresh token now, where the access token is due."""
    if every == (name is not None):
        raise ConfigError("name one account, or give --all", hint="codex-broker account refresh --help")
    results = Place(home, config).call("account_refresh", name=name, force=force)
    for result in results:
        speech.data(f"{result['account']}: {result.get('outcome') or 'failed'}")
    for result in results:
        if "problem" in result:
            raise from_problem(result["problem"])


@account.command()
def rename(
    old: Annotated[str, typer.Argument(metavar="OLD", help="The name that it has.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The name that it gets.")],
    *,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Give an account another name; grants stay."""
    Place(home, config).call("account_rename", name=old, new_name=new)
    speech.data(f"renamed {old} to {new}")


@account.command()
def disable(name: AccountName, *, home: HomeOption = None, config: ConfigOption = None) -> None:
    """Stop serving and refreshing an account; nothing is lost."""
    Place(home, config).call("account_disable", name=name)
    speech.data(f"disabled {name}")


@account.command()
def enable(name: AccountName, *, home: HomeOption = None, config: ConfigOption = None) -> None:
    """Serve and refresh a disabled account again."""
    Place(home, config).call("account_enable", name=name)
    speech.data(f"enabled {name}")


@account.command()
def remove(
    name: AccountName,
    *,
    revoke: Annotated[bool, typer.Option("--revoke", help="End the login at the issuer, too.")] = False,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Forget an account and its tokens."""
    Place(home, config).call("account_remove", name=name, revoke=revoke)
    speech.data(f"removed {name}" + (" and revoked its login" if revoke else ""))
