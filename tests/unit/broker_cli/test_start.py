"""What a starting daemon brings in, and that its short way says the same as the long one."""

import os
import ssl
import subprocess
import sys

import pytest
import typer

from broker.cli import entry

_START = """
import sys
from broker.cli import entry, quick
entry.application("serve")
with quick.imports():
    import broker.cli.running
print(*sorted(sys.modules))
"""

NOT_NEEDED = {
    "alembic",
    "asyncssh",
    "broker.api.openapi",
    "broker.cli.account",
    "broker.cli.client",
    "pygments",
    "rich",
}


def test_a_daemon_starts_without_what_serving_does_not_need() -> None:
    """Commands for people, the API's description, migrations and drawing wait until they are asked for."""
    done = subprocess.run([sys.executable, "-c", _START], capture_output=True, text=True, check=True)
    assert NOT_NEEDED & set(done.stdout.split()) == set()


def test_what_the_start_hid_is_back_afterwards() -> None:
    """A module and variables that were hidden from libraries are as they were before."""
    code = _START + "import os, rich\nassert rich.get_console\nassert dict(os.environ) == eval(sys.argv[1])"
    environ = {"PATH": os.environ["PATH"], "SSL_CERT_DIR": "/etc/ssl/certs"}
    argv = [sys.executable, "-c", code, repr({**environ, "LC_CTYPE": "C.UTF-8"})]
    done = subprocess.run(argv, env={**environ, "LC_CTYPE": "C.UTF-8"}, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_issuer_is_checked_by_the_systems_authorities_nevertheless() -> None:
    """A session with the issuer brings what it trusts, and finds the system's authorities there."""
    code = _START + (
        "import asyncio\nfrom broker.issuer.session import open_session\n"
        "async def trusted():\n"
        "    async with open_session('https://auth.openai.com') as session:\n"
        "        return session.connector._ssl\n"
        "print(asyncio.run(trusted()).cert_store_stats())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == str(ssl.create_default_context().cert_store_stats())


@pytest.mark.parametrize("line", [["serve", "--help"], ["up", "-h"], ["serve", "--nothing"], ["up", "more"]])
def test_the_short_way_to_the_daemon_says_the_same(line, monkeypatch, capsys) -> None:
    """Help and misuse of ``serve`` and ``up`` read as if all commands were there."""

    def said(application):
        monkeypatch.setattr(entry, "application", application)
        return entry.run(line), *capsys.readouterr()

    short = entry.application
    assert said(short) == said(lambda *_: short())
    assert isinstance(short(line[0]), typer.Typer)
