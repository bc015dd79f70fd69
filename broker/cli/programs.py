"""Where our own programs lie, for lines that are to be pasted into another terminal."""

import shutil
import sys
from pathlib import Path

__all__ = ["program"]


def program(name: str) -> str:
    """Return the absolute path of one of our programs: beside this one, or beside its Python.

    Args:
        name: ``codex-broker`` or ``codex-fetchtoken``.
    """
    for place in (sys.argv[0], sys.executable):
        candidate = Path(place).absolute().parent / name
        if candidate.is_file():
            return str(candidate)
    return shutil.which(name) or name
