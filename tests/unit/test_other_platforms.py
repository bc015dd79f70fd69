"""What macOS and Windows need: every module imports without Unix's modules, and a local resolve works."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import World
from tests.support.logins import write_auth
from tests.support.tokens import jwt

_BLOCKED = (
    "import sys\nfor name in ('fcntl', 'pwd', 'grp', 'termios', 'resource'): sys.modules[name] = None\n"
)
_IMPORT_ALL = (
    "import pkgutil, importlib, fetchtoken\n"
    "names = [m.name for m in pkgutil.walk_packages(fetchtoken.__path__, 'fetchtoken.')]\n"
    "[importlib.import_module(name) for name in names if not name.endswith('__main__')]\n"
    "print(len(names))\n"
)


_LIBRARIES = "import asyncio, asyncssh\n"
"""They choose by the platform's name what they import of it; here they are those of Linux."""


def _python(
    code: str, environ: dict[str, str], cwd: Path, *, before: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", before + _BLOCKED + code],
        env=environ,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_every_module_imports_without_locks_and_users(tmp_path: Path):
    """No module of the command needs ``fcntl`` or ``pwd`` to be imported."""
    done = _python(_IMPORT_ALL, {"PATH": "/usr/bin:/bin"}, tmp_path, before=_LIBRARIES)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 30


@pytest.mark.parametrize("variable", ["HOME", "USERPROFILE"])
def test_a_local_resolve_works_without_locks(tmp_path: Path, variable: str):
    """A fresh login is found below ``USERPROFILE`` as below ``HOME``, and printed."""
    world = World(tmp_path)
    bearer = jwt()
    write_auth(world.home / ".codex/auth.json", bearer)
    world.environ[variable] = world.environ.pop("HOME")
    code = "from fetchtoken.entry import main\nsys.exit(main())\n"
    done = _python(code, world.environ, world.cwd)
    assert (done.returncode, done.stdout, done.stderr) == (0, bearer + "\n", "")
