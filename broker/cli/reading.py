"""Gather the auth files that ``account import`` was given: a file, a directory, standard input."""

import sys
from pathlib import Path

from broker.cli.identity import as_owner_of
from fetchtoken.domain.errors import FetchTokenError, NotFound
from fetchtoken.files.guard import read_private

__all__ = ["read_auth_text", "read_documents"]


def read_auth_text(path: Path) -> str:
    """Return the text of an auth file that nobody else can read.

    Raises:
        NotFound: there is none.
        Unsafe: others can read it.
        Malformed: it is no text file.
    """
    try:
        return read_private(str(path))
    except FetchTokenError as error:
        error.hint = error.hint or "give the auth.json that a login wrote"
        raise


def read_documents(source: str) -> list[dict[str, str]]:
    """Return each file's text with its path.

    Args:
        source: a file, a directory whose ``*.json`` files are all read, or ``-``.

    Raises:
        NotFound: there is nothing.
        Unsafe: others can read a file.
    """
    if source == "-":
        return [{"text": sys.stdin.read(), "path": "standard input"}]
    path = Path(source).expanduser().absolute()
    if not path.is_dir():
        with as_owner_of(path.parent):
            return [{"text": read_auth_text(path), "path": str(path)}]
    with as_owner_of(path):
        files = sorted(path.glob("*.json"))
        if not files:
            raise NotFound(f"{path} holds no .json file", hint="name the auth file itself")
        return [{"text": read_auth_text(file), "path": str(file)} for file in files]
