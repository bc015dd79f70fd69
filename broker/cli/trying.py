"""``sandbox`` and ``demo``: try everything without a real login."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from broker.cli import speech
from broker.cli.programs import program
from fetchtoken.domain.errors import ConfigError
from fetchtoken.files.atomic import replace_file

__all__ = ["demo", "sandbox"]


def sandbox(
    *,
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="Listen on this port.")
    ] = 7457,
    login: Annotated[
        Path | None, typer.Option("--login", metavar="FILE", help="Write an auth.json of a new login here.")
    ] = None,
    info: Annotated[
        Path | None, typer.Option("--info", metavar="FILE", help="Write address and control token here.")
    ] = None,
) -> None:
    """Run a strict issuer for trying and testing; it is not OpenAI."""
    import asyncio

    from broker.sandbox.issuer import LIFE_S
    from broker.sandbox.server import SandboxIssuer, banner, serve_sandbox

    def announce(issuer: SandboxIssuer) -> None:
        if login is not None:
            _write(login, issuer.mint().document)
        if info is not None:
            _write(info, {"url": issuer.url, "control_token": issuer.control_token.reveal()})
        speech.data(banner(issuer.url).rstrip())

    asyncio.run(serve_sandbox("127.0.0.1", port, state_path=None, life_s=LIFE_S, announce=announce))


def demo() -> None:
    """Show a login's whole life, a crash included, and clean up."""
    from broker.demo.run import run_demo
    from broker.demo.world import Programs

    programs = Programs(broker=[program("codex-broker")], fetchtoken=[program("codex-fetchtoken")])
    run_demo(programs, speech.data)


def _write(file: Path, document: dict[str, Any]) -> None:
    try:
        replace_file(str(file), json.dumps(document, indent=2).encode())
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be written: {error.strerror}", hint="name a file in a directory of yours"
        ) from None
