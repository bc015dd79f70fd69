"""``up``, ``init``, ``serve``, ``check``: the daemon and its home."""

from pathlib import Path
from typing import Annotated

import typer

from broker.cli import quick, speech
from broker.cli.checking import run_checks
from broker.cli.options import ConfigOption, HomeOption, HostOption, JsonOption, PortOption
from broker.cli.place import Place

__all__ = ["check", "init", "serve", "up"]


def up(  # noqa: PLR0913 - its options
    *,
    adopt: Annotated[
        Path | None, typer.Option("--adopt", metavar="FILE", help="Take over this login once serving.")
    ] = None,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Try it out, with an issuer of its own and no real login.")
    ] = False,
    home: HomeOption = None,
    config: ConfigOption = None,
    host: HostOption = None,
    port: PortOption = None,
) -> None:
    """Make the home if there is none, serve, and say what to do next."""
    place = Place(home, config)
    if sandbox:
        from broker.cli.sandboxed import run_sandboxed

        code = run_sandboxed(place, host=host, port=port)
    else:
        with quick.imports():
            from broker.cli.running import run_daemon

        code = run_daemon(place, host=host, port=port, adopt=adopt)
    raise typer.Exit(code)


def init(*, home: HomeOption = None, config: ConfigOption = None) -> None:
    """Make the home: settings to edit, master key, empty store."""
    from broker.cli.running import prepare

    place = Place(home, config)
    new = prepare(place)
    speech.data(f"{'made' if new else 'there is already'} {place.home.path}")


def serve(
    *,
    home: HomeOption = None,
    config: ConfigOption = None,
    host: HostOption = None,
    port: PortOption = None,
) -> None:
    """Serve from an existing home, as a service manager does."""
    with quick.imports():
        from broker.cli.running import run_service

    raise typer.Exit(run_service(Place(home, config), host=host, port=port))


def check(
    *,
    home: HomeOption = None,
    config: ConfigOption = None,
    host: HostOption = None,
    port: PortOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check settings, modes, keys, store, journal and issuer."""
    findings = run_checks(Place(home, config), host=host, port=port)
    if as_json:
        speech.value([finding.to_document() for finding in findings])
    else:
        speech.table(
            [finding.to_document() for finding in findings],
            {"check": "CHECK", "ok": "OK", "detail": "DETAIL"},
        )
    for finding in findings:
        if finding.problem is not None:
            raise finding.problem
