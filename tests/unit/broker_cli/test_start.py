"""What a starting daemon brings in, and that its short way says the same as the long one."""

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
print(*sorted({word.partition(".")[0] for word in sys.modules}), *sorted(sys.modules))
"""

NOT_NEEDED = {"alembic", "broker.api.openapi", "broker.cli.account", "broker.cli.client", "pygments", "rich"}


def test_a_daemon_starts_without_what_serving_does_not_need() -> None:
    """Commands for people, the API's description, migrations and drawing wait until they are asked for."""
    done = subprocess.run([sys.executable, "-c", _START], capture_output=True, text=True, check=True)
    assert NOT_NEEDED & set(done.stdout.split()) == set()


def test_what_the_start_left_out_can_be_imported_afterwards() -> None:
    """Hiding it from a library that would load it for nothing ends with the start."""
    code = _START + "import rich\nassert rich.get_console"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("line", [["serve", "--help"], ["up", "-h"], ["serve", "--nothing"], ["up", "more"]])
def test_the_short_way_to_the_daemon_says_the_same(line, monkeypatch, capsys) -> None:
    """Help and misuse of ``serve`` and ``up`` read as if all commands were there."""

    def said(application):
        monkeypatch.setattr(entry, "application", application)
        return entry.run(line), *capsys.readouterr()

    short = entry.application
    assert said(short) == said(lambda *_: short())
    assert isinstance(short(line[0]), typer.Typer)
