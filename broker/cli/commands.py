"""All commands, in the order in which ``--help`` shows them."""

import typer

from broker.cli.account import account
from broker.cli.account_login import login
from broker.cli.account_rescue import export, replay
from broker.cli.audit import audit
from broker.cli.backup import backup, restore
from broker.cli.client import client
from broker.cli.daemon import check, init, serve, up
from broker.cli.invite import invite
from broker.cli.key import key
from broker.cli.trying import demo, sandbox

__all__ = ["add_commands"]

for more in (login, replay, export):
    account.command()(more)


def add_commands(app: typer.Typer) -> None:
    """Add every command and group to an application."""
    for command in (up, init, serve, check, sandbox, demo):
        app.command()(command)
    app.add_typer(account, name="account")
    app.add_typer(client, name="client")
    app.command()(invite)
    app.add_typer(audit, name="audit")
    app.add_typer(key, name="key")
    app.command()(backup)
    app.command()(restore)
