"""``up --sandbox``: a broker with an issuer, an account and a client of its own, to try things out."""

import json
import os
import secrets
import shlex
from pathlib import Path

from broker.admin.wire import Actor
from broker.app import Parts
from broker.cli import speech
from broker.cli.place import Place
from broker.cli.programs import program
from broker.cli.running import run
from broker.domain.account import State
from broker.listening import bind, bind_ssh
from broker.ops.setup import make_home
from broker.sandbox.server import PORT, SandboxIssuer, banner
from broker.serving import serve
from broker.telemetry.log import configure
from fetchtoken.domain.errors import ConfigError
from fetchtoken.files.atomic import replace_file

__all__ = ["run_sandboxed"]

_NAME = "sandbox"
_WHO = {"account_id": "sandbox-account", "user_id": "sandbox-user"}
"""Fixed, so that a login made after the issuer forgot the old one is the same user's."""


def run_sandboxed(place: Place, *, host: str | None, port: int | None) -> int:
    """Serve from a home of its own below the home, until a signal; return the exit code.

    Raises:
        ConfigError: another daemon on this home, or a port that is taken.
    """
    place.home.make()
    sandbox = Place(place.home.sandbox.path)
    sandbox.home.make()
    configure()
    with sandbox.home.lock():
        return run(_serve(sandbox, host, port))


async def _serve(place: Place, host: str | None, port: int | None) -> int:
    issuer = SandboxIssuer(state_path=place.home.path / "issuer.json")
    await _start(issuer, place)
    try:
        settings = place.settings(host=host, port=port)
        make_home(place.home, settings, config=None)

        async def ready(parts: Parts, url: str) -> None:
            speech.data(f"ready {url}")
            await _offer(parts, issuer, url)

        with bind(settings) as listener, bind_ssh(settings) as ssh:
            speech.note(banner(issuer.url).rstrip())
            return await serve(place.home, settings, listener, ready, ssh=ssh)
    finally:
        await issuer.stop()


async def _start(issuer: SandboxIssuer, place: Place) -> None:
    """Listen where the home's logins came from; in a new home, where there is room."""
    if place.home.config.exists():
        address = place.settings().issuer.url
        await issuer.start(port=int(address.rpartition(":")[2]))
        return
    try:
        await issuer.start(port=PORT)
    except ConfigError:
        await issuer.start(port=0)
    document = f'[issuer]\nurl = "{issuer.url}"\nbackend_url = "{issuer.backend_url}"\n'
    replace_file(str(place.home.config), document.encode())


async def _offer(parts: Parts, issuer: SandboxIssuer, url: str) -> None:
    """Make account and client where they are missing, and print the line to paste."""
    actor = Actor(f"uid:{os.geteuid()} pid:{os.getpid()}", secrets.token_hex(8))
    account = parts.roster.account(_NAME)
    if account is None or account.restored or account.state is State.LOGIN_REQUIRED:
        document = json.dumps(issuer.mint(**_WHO).document)
        documents = [{"text": document, "path": issuer.url}]
        params = {"documents": documents, "name": _NAME, "sole_owner": True}
        await parts.service.call("account_import", params, actor)
    key_file = parts.home.path / "client.key"
    if parts.roster.client(_NAME) is None:
        params = {"name": _NAME, "accounts": [_NAME], "scopes": ["token"]}
        _keep(key_file, await parts.service.call("client_add", params, actor))
    elif not key_file.exists():
        _keep(key_file, await parts.service.call("client_rotate", {"name": _NAME}, actor))
    settings = {
        "CODEX_TOKEN_SOURCE": "remote",
        "CODEX_REMOTE_URL": url,
        "CODEX_REMOTE_API_KEY_FILE": str(key_file),
    }
    words = [f"{name}={shlex.quote(value)}" for name, value in settings.items()]
    speech.data("# paste this into a second terminal; it prints a token that works in this sandbox only:")
    speech.data(" ".join([*words, shlex.quote(program("codex-fetchtoken")), "--account", _NAME]))


def _keep(key_file: Path, made: dict[str, str]) -> None:
    replace_file(str(key_file), (made["api_key"] + "\n").encode())
