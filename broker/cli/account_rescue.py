"""``codex-broker account replay|export``: what a person decides over a refresh token."""

from typing import Annotated

import typer

from broker.cli import speech
from broker.cli.options import AccountName, ConfigOption, HomeOption
from broker.cli.place import Place

__all__ = ["export", "replay"]


def replay(
    name: AccountName,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Take the risk of losing the login.")] = False,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Send the refresh token of an account in doubt once more. Without --yes, say what that risks."""
    Place(home, config).call("account_replay", name=name, yes=yes)
    speech.data(f"{name}: active again")


def export(
    name: AccountName,
    *,
    with_refresh_token: Annotated[
        bool, typer.Option("--with-refresh-token", help="Hand it out; it is never renewed here again.")
    ] = False,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Print an account as an auth.json for Codex. It is renewed no more until a new login."""
    exported = Place(home, config).call("account_export", name=name, with_refresh_token=with_refresh_token)
    speech.note(f"this holds the refresh token of {name}: whoever has it has the login; give it mode 0600")
    speech.note(f"this broker renews {name} no more until a new login; {exported['safe']}")
    speech.value(exported["auth_json"])
