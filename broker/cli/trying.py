"""``sandbox`` and ``demo``: try everything without a real login."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

from broker.cli import speech
from broker.cli.programs import program

__all__ = ["demo", "sandbox"]


def sandbox(
    *,
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="Listen on this port.")
    ] = 7457,
    login: Annotated[
        Path | None, typer.Option("--login", metavar="FILE", help="Write an auth.json of a new login here.")
    ] = None,
) -> None:
    """Run a strict issuer on this machine, for trying and testing; it is not OpenAI."""
    from broker.sandbox.issuer import LIFE_S
    from broker.sandbox.server import SandboxIssuer, banner, serve_sandbox
    from fetchtoken.files.atomic import replace_file

    def announce(issuer: SandboxIssuer) -> None:
        if login is not None:
            replace_file(str(login), json.dumps(issuer.mint().document, indent=2).encode())
        speech.data(banner(issuer.url).rstrip())

    asyncio.run(serve_sandbox("127.0.0.1", port, state_path=None, life_s=LIFE_S, announce=announce))


def demo() -> None:
    """Show a login's whole life, with a crash in the middle, in a home that is thrown away."""
    from broker.demo.run import run_demo
    from broker.demo.world import Programs

    programs = Programs(broker=[program("codex-broker")], fetchtoken=[program("codex-fetchtoken")])
    run_demo(programs, speech.data)
