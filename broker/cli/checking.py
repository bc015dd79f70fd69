"""``check``: look at everything that must be right, and say of each whether it is."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from broker.cli.place import Place
from fetchtoken.domain.errors import ConfigError, FetchTokenError, Unavailable

if TYPE_CHECKING:
    from broker.settings import Settings

__all__ = ["Finding", "run_checks"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    check: str
    detail: str
    problem: FetchTokenError | None = None
    """What is wrong, or ``None``."""

    def to_document(self) -> dict[str, Any]:
        """Return it as JSON values."""
        hint = self.problem.hint if self.problem else ""
        return {"check": self.check, "ok": self.problem is None, "detail": self.detail, "hint": hint}


def run_checks(place: Place, *, host: str | None, port: int | None) -> list[Finding]:
    """Look at one thing after the other; what cannot be looked at without an earlier one is left out.

    Args:
        place: which broker.
        host: ``--host``.
        port: ``--port``.
    """
    try:
        settings = place.settings(host=host, port=port)
    except FetchTokenError as error:
        return [Finding("settings", error.message, error)]
    findings = [Finding("settings", "known keys, safe values")]
    for name, look in _looks(place, settings):
        try:
            findings.append(Finding(name, look()))
        except FetchTokenError as error:
            findings.append(Finding(name, error.message, error))
            if name == "home":
                break
    return findings


def _looks(place: Place, settings: "Settings") -> Iterator[tuple[str, Callable[[], str]]]:
    yield "home", lambda: _home(place)
    yield "keys", lambda: _keys(place, settings)
    yield "store", lambda: str(place.call("check_store"))
    yield "journal", lambda: str(place.call("check_journal"))
    yield "life", lambda: str(place.call("check_life"))
    yield "doubts", lambda: str(place.call("check_doubts"))
    yield "logins", lambda: str(place.call("check_logins"))
    yield "late", lambda: str(place.call("check_late"))
    yield "files", lambda: str(place.call("check_files"))
    yield "tls", lambda: str(place.call("check_tls"))
    yield "port", lambda: _port(place, settings)
    if settings.ssh.listen:
        yield "ssh", lambda: _ssh(place)
    yield "issuer", lambda: _answers("issuer", settings.issuer.url)
    yield "backend", lambda: _answers("backend", settings.issuer.backend_url)


def _home(place: Place) -> str:
    # Root may look at another user's home: with a daemon on it, that is the usual case.
    if os.geteuid() == 0:
        place.home.check_modes()
    else:
        place.home.check()
    place.home.check_files()
    return f"{place.home.path} is closed to others"


def _keys(place: Place, settings: "Settings") -> str:
    from broker.admin.client import SocketCaller
    from broker.seal.keyfile import load_keyring

    if SocketCaller(place.home.socket).is_listening():
        # The key may be a credential of systemd's, which only the daemon sees.
        return str(place.call("check_keys"))
    return load_keyring(settings.key_file(place.home, os.environ)).told()


def _port(place: Place, settings: "Settings") -> str:
    from broker.admin.client import SocketCaller
    from broker.listening import bind, bind_ssh

    if SocketCaller(place.home.socket).is_listening():
        return "the daemon is running"
    with bind(settings), bind_ssh(settings):
        api = f"{settings.server.host}:{settings.server.port}"
        return f"{api} and {settings.ssh.listen} are free" if settings.ssh.listen else f"{api} is free"


def _ssh(place: Place) -> str:
    door = place.call("ssh_door")
    if door is None:
        raise ConfigError(
            "ssh.listen is set, but the running daemon does not know", hint="restart the broker"
        )
    return f"host key {door['fingerprint']}, for known_hosts: {door['known_hosts']}"


def _answers(what: str, url: str) -> str:
    import asyncio

    from broker.issuer.reach import reach

    if why := asyncio.run(reach(url)):
        raise Unavailable(
            f"the {what} {url} cannot be reached: {why}",
            hint="look at network, proxy and DNS; tokens are served until they expire",
        )
    return f"{url} answers"
