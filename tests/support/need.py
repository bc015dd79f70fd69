"""What a test needs of the machine. Missing: skipped with the package's name; with CI=true, failed."""

import os
import shutil
from typing import NoReturn

import pytest

__all__ = ["missing", "need_program", "need_root"]


def missing(what: str, package: str) -> NoReturn:
    """Skip, or fail with ``CI=true``, saying which package brings what is missing.

    Args:
        what: the program or privilege.
        package: how to get it, such as ``Debian package strace`` or ``npm package @openai/codex``.
    """
    text = f"needs {what} ({package})"
    if os.environ.get("CI") == "true":
        pytest.fail(text)
    pytest.skip(text)


def need_program(name: str, package: str) -> str:
    """Return the path of a program of a Debian package."""
    path = shutil.which(name)
    if path is None:
        missing(name, f"Debian package {package}")
    return path


def need_root(reason: str) -> None:
    """Go on as root only.

    Args:
        reason: what for: mounting, changing owners, becoming somebody else.
    """
    if os.geteuid() != 0:
        missing("root", f"to test {reason}")
