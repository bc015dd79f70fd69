"""``python -m tests.support.as_user UID HOME WORDS…``: ``codex-broker WORDS`` as another user.

Started as root, so that a virtual environment in root's own directory can be read: everything is
imported by using a home once, then the process becomes the user for good.
"""

import importlib
import os
import sys
import tempfile
from contextlib import redirect_stdout, suppress
from io import StringIO

from broker.cli.entry import run

_LATER = ("broker.cli.running", "encodings.ascii", "encodings.idna", "encodings.latin_1", "uvloop")
"""What is loaded only when a daemon starts."""


def main() -> int:
    """Rehearse as root, change the user, run."""
    user, home, *words = sys.argv[1:]
    with tempfile.TemporaryDirectory() as rehearsal, redirect_stdout(StringIO()):
        os.environ["CODEX_BROKER_HOME"] = rehearsal + "/home"
        for rehearsed in (["init"], ["account", "list"]):
            run(rehearsed)
    for module in _LATER:
        with suppress(ImportError):
            importlib.import_module(module)
    os.environ["CODEX_BROKER_HOME"] = home
    os.setgroups([])
    os.setgid(int(user))
    os.setuid(int(user))
    return run(words)


if __name__ == "__main__":
    sys.exit(main())
