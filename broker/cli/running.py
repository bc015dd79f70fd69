"""Run the daemon in the foreground: prepare its home, hold it, bind, serve, say what is next."""

import asyncio
import os
import subprocess
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from broker.app import Parts
from broker.cli import speech
from broker.cli.nextstep import next_step
from broker.cli.place import Place
from broker.cli.programs import program
from broker.listening import bind_ssh, listen
from broker.ops.hostkey import make_host_key
from broker.ops.notify import manager_of
from broker.ops.setup import make_home
from broker.serving import OnReady, serve
from broker.telemetry.log import configure

__all__ = ["prepare", "run", "run_daemon", "run_service"]


def prepare(place: Place) -> bool:
    """Make a home with an empty store; tell whether it is new."""
    new = make_home(place.home, place.settings(), config=place.config)
    place.call("accounts_list")
    return new


def run_daemon(place: Place, *, host: str | None, port: int | None, adopt: Path | None) -> int:
    """Make the home if there is none and serve for a person; return the exit code.

    Raises:
        ConfigError: another daemon on this home, or a port that is taken.
    """

    async def ready(parts: Parts, url: str) -> int | None:
        speech.data(f"ready {url}")
        if adopt is not None and (code := await _adopt(place, adopt)):
            return code
        for line in next_step(place, parts.roster):
            speech.data(line)
        return None

    make_home(place.home, place.settings(host=host, port=port), config=place.config)
    return run_service(place, host=host, port=port, on_ready=ready)


def run_service(place: Place, *, host: str | None, port: int | None, on_ready: OnReady | None = None) -> int:
    """Serve from an existing home until a signal; return the exit code.

    Args:
        place: the broker.
        host: ``--host``.
        port: ``--port``.
        on_ready: what a person is told; without it this is a service, which prints one line.

    Raises:
        ConfigError: no home, another daemon on it, or a port that is taken.
    """

    async def ready(_parts: Parts, url: str) -> None:
        speech.data(f"ready {url}")

    place.home.check()
    settings = place.settings(host=host, port=port)
    if settings.ssh.listen:
        make_host_key(place.home.ssh_host_key)
    configure()
    manager = manager_of(os.environ, os.getpid()) if on_ready is None else None
    with place.home.lock(), listen(settings) as listener, bind_ssh(settings) as ssh:
        return run(serve(place.home, settings, listener, on_ready or ready, ssh=ssh, manager=manager))


def run(work: Coroutine[Any, Any, int]) -> int:
    """Run the daemon's event loop and return the exit code."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(work)


async def _adopt(place: Place, file: Path) -> int:
    """Adopt in a process of its own: as root it acts as the file's owner for a while."""
    command = [program("codex-broker"), "account", "adopt", str(file), *place.options()]
    done = await asyncio.to_thread(subprocess.run, command, check=False)
    return done.returncode


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
