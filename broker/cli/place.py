"""Which broker a command speaks to: its daemon where one runs, else the store itself."""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from broker.admin.client import SocketCaller
from broker.admin.wire import Actor, Caller
from broker.ops.home import Home, resolve_home
from fetchtoken.domain.errors import ConfigError, Unavailable

if TYPE_CHECKING:
    from broker.settings import Settings

__all__ = ["Place"]

_INHERITED = frozenset({"HOME", "XDG_STATE_HOME"})
"""What another terminal of the same person has set, too."""

_STARTING_S = 10.0
"""How long a daemon that holds the home may take until it listens."""


class Place:
    """One broker, named by its home.

    Args:
        home: ``--home``.
        config: ``--config``.
    """

    def __init__(self, home: Path | None = None, config: Path | None = None) -> None:
        self.home: Home = resolve_home(home, os.environ)
        self.config = config

    def options(self) -> list[str]:
        """Return the options with which a command in another terminal finds this broker."""
        found_without = resolve_home(None, {key: os.environ[key] for key in _INHERITED & os.environ.keys()})
        options = [] if self.home == found_without else ["--home", str(self.home.path)]
        return options if self.config is None else [*options, "--config", str(self.config.absolute())]

    def settings(self, *, host: str | None = None, port: int | None = None) -> "Settings":
        """Read the settings, options on top."""
        # Half of a command's start-up, and a command that speaks to the daemon needs none.
        from broker.settings import load_settings

        return load_settings(self.home, self.config, host=host, port=port)

    def call(self, operation: str, /, **params: Any) -> Any:
        """Do one administrative operation and return its JSON value."""
        with self.session() as call:
            return call(operation, **params)

    @contextmanager
    def session(self) -> Iterator[Caller]:
        """Give a caller for several operations, through the daemon or without one.

        Raises:
            ConfigError: there is no home.
            Unsafe: no daemon runs, and the home is another user's.
            Unavailable: a daemon holds the home and does not answer.
        """
        if not self.home.exists():
            raise ConfigError(f"there is no broker home at {self.home.path}", hint="codex-broker init")
        caller = SocketCaller(self.home.socket)
        end_s = time.monotonic() + _STARTING_S
        while not caller.is_listening():
            self.home.check()
            with self.home.try_lock() as free:
                if free:
                    with self._offline() as offline:
                        yield offline
                    return
            if time.monotonic() > end_s:
                raise Unavailable(
                    f"the broker on {self.home.path} (pid {self.home.holder()}) does not answer",
                    hint="see its log, or restart it",
                )
            time.sleep(0.1)
        yield caller

    @contextmanager
    def _offline(self) -> Iterator[Caller]:
        from asyncio import Runner

        from broker.app import FLIGHTS_END_WITHIN_S, opened
        from broker.telemetry.log import configure

        settings = self.settings()
        configure(level="error")
        actor = Actor(f"uid:{os.geteuid()} pid:{os.getpid()}", secrets.token_hex(8))
        with Runner() as runner:
            stack = AsyncExitStack()
            parts = runner.run(stack.enter_async_context(opened(self.home, settings)))
            try:
                yield lambda operation, /, **params: runner.run(parts.service.call(operation, params, actor))
            finally:
                runner.run(parts.coordinator.close(within_s=FLIGHTS_END_WITHIN_S))
                runner.run(stack.aclose())
