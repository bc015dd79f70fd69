"""The command from every source, beside a bare interpreter."""

import json
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme

from tests.bench.processes import Case
from tests.support.peers import Broker, over_tls
from tests.support.tokens import answer, http, jwt

__all__ = ["command_cases", "home_with", "program"]

_SETTINGS = ".config/codex-fetchtoken/scorpiox-env.txt"


def program() -> Path:
    """Return the console script of this interpreter's environment."""
    script = Path(sys.executable).with_name("codex-fetchtoken")
    if not script.exists():
        message = f"{script} is missing: pip install '.[test]' into this environment"
        raise FileNotFoundError(message)
    return script


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)


def home_with(directory: Path, name: str, **keys: str) -> Path:
    """Make a home directory with these settings in the user's file."""
    home = directory / name
    _write(home / _SETTINGS, "".join(f"{key}={value}\n" for key, value in keys.items()))
    return home


@contextmanager
def command_cases(directory: Path) -> Iterator[list[Case]]:
    """Yield the cases, the floor first, with their homes made and their brokers running."""
    bearer, script = jwt(), str(program())
    local = home_with(directory, "local")
    tokens = {"id_token": bearer, "access_token": bearer, "refresh_token": "rt_1", "account_id": "acct-1"}
    _write(local / ".codex/auth.json", json.dumps({"auth_mode": "chatgpt", "tokens": tokens}))
    authority = trustme.CA()
    ca_file = directory / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    given = http(200, answer(bearer), ETag='"1"')
    with Broker(given) as plain, Broker(given) as secure:
        secure.script = over_tls(context, Broker.serve)  # type: ignore[arg-type]
        keys = {"CODEX_TOKEN_SOURCE": "remote", "CODEX_REMOTE_API_KEY": "cbk_bench_0123456789"}
        over_http = home_with(directory, "http", CODEX_REMOTE_URL=f"http://127.0.0.1:{plain.port}", **keys)
        over_https = home_with(
            directory,
            "https",
            CODEX_REMOTE_URL=f"https://127.0.0.1:{secure.port}",
            CODEX_REMOTE_CA_FILE=str(ca_file),
            **keys,
        )
        yield [
            Case("python -c pass", [sys.executable, "-c", "pass"], local),
            Case("local", [script], local, goal=1.3),
            Case("local --format json", [script, "--format", "json"], local, goal=1.3),
            Case("remote, cached", [script], over_http, goal=1.3),
            Case("remote over http, not cached", [script, "--no-cache"], over_http),
            Case("remote over https, not cached", [script, "--no-cache"], over_https, goal=2.9),
            Case("status (through Typer)", [script, "status"], local),
        ]
