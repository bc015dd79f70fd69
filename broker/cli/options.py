"""The options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "AccountName",
    "ClientName",
    "ConfigOption",
    "HomeOption",
    "HostOption",
    "JsonOption",
    "PortOption",
]

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", metavar="DIR", help="The broker's home. [CODEX_BROKER_HOME]", show_default=False),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings, instead of broker.toml in the home."),
]
HostOption = Annotated[str | None, typer.Option("--host", metavar="ADDR", help="Listen here.")]
PortOption = Annotated[
    int | None, typer.Option("--port", metavar="N", min=0, max=65535, help="Listen on this port.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON value.")]
AccountName = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Its name.")]
ClientName = Annotated[str, typer.Argument(metavar="CLIENT", help="Its name.")]
