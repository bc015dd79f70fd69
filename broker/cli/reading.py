"""Gather the login files that ``account import`` was given: a file, a directory, standard input."""

import sys
from pathlib import Path

from broker.cli import speech
from broker.cli.identity import as_owner_of
from fetchtoken.formats.choose import choose
from fetchtoken.formats.places import tool_at
from fetchtoken.logins.gather import gather
from fetchtoken.logins.reading import Found

__all__ = ["read_documents"]


def read_documents(source: str) -> list[dict[str, str]]:
    """Return each file's text with its path and what its place says of it; note what is passed over.

    Args:
        source: a file, a directory (its ``*.json`` files and those of the directories in it), or ``-``.

    Raises:
        NotFound: there is nothing.
        Unsafe: others can read a file that holds a login.
        FetchTokenError: as :func:`fetchtoken.logins.gather.gather`.
    """
    if source == "-":
        gathered = gather(source, sys.stdin.buffer.read())
    else:
        path = Path(source).expanduser().absolute()
        with as_owner_of(path if path.is_dir() else path.parent):
            gathered = gather(str(path))
    for where, why in gathered.skipped:
        speech.note(f"skipped {where}: {why}")
    files = {id(login): found for found in gathered.files for login in found.logins}
    for group in choose(login for found in gathered.files for login in found.logins):
        for copy in group.others:
            found = files[id(copy)]
            speech.note(
                f"{found.path} is another copy of the login in {files[id(group.login)].path}, held by"
                f" {tool_at(found.path, found.form.key).name}"
            )
    return [_document(found) for found in gathered.files]


def _document(found: Found) -> dict[str, str]:
    document = {"text": found.text, "path": found.path}
    if found.pending is not None:
        document["pending"] = found.pending.decode("utf-8", "replace")
    if len(found.logins) == 1:
        document["nickname"] = found.logins[0].nickname
        document["disabled"] = "yes" if found.logins[0].disabled else ""
    return document
