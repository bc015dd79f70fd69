"""``account login``."""

from typing import Annotated

import typer

from broker.cli import speech
from broker.cli.options import AccountName, ConfigOption, HomeOption, JsonOption
from broker.cli.place import Place

__all__ = ["login"]


def login(  # noqa: PLR0913 - its options
    name: AccountName,
    *,
    device: Annotated[bool, typer.Option("--device", help="Type a code on any device's browser.")] = False,
    browser: Annotated[
        bool, typer.Option("--browser", help="Use the browser here; it comes back to port 1455.")
    ] = False,
    no_open: Annotated[bool, typer.Option("--no-open", help="Show the link, open nothing.")] = False,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Log in for a new account, or again for one that is held."""
    from broker.cli.logging_in import log_in
    from fetchtoken.oauth.login.walks import Wishes

    account = log_in(Place(home, config), name, Wishes(device=device, browser=browser, no_open=no_open))
    if as_json:
        speech.value(account)
    else:
        speech.data(f"logged in {account['account']}")
    if account["disabled"]:
        speech.note(f"it stays disabled, as it was before: codex-broker account enable {account['account']}")
