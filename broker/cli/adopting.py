"""The file's side of ``account adopt``: read it, let the broker take it over, make it access-only.

The order is what makes a crash harmless: the broker holds the login, disabled, before the file
loses it, and uses it only after the file has lost it. Run again, the command goes on from
wherever it was stopped.
"""

import os
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from broker.admin.wire import Caller
from broker.cli.identity import as_owner_of
from fetchtoken.codex.settled import refuse_unsettled
from fetchtoken.domain.errors import Unsafe
from fetchtoken.files.atomic import replace_file
from fetchtoken.formats.places import Tool, tool_at
from fetchtoken.logins.hold import hold
from fetchtoken.logins.neutralise import access_only_text, refuse_kept
from fetchtoken.logins.reading import Found, read_found

__all__ = ["adopt_file", "codex_home"]


def codex_home() -> Path:
    """Return the Codex home: ``CODEX_HOME``, else ``~/.codex``."""
    return Path(os.environ.get("CODEX_HOME") or Path.home() / ".codex")


def adopt_file(call: Caller, path: Path, name: str | None) -> tuple[dict[str, Any], Tool]:
    """Take over the login of a tool's file and leave the file access-only, in that tool's own shape.

    Args:
        call: the broker.
        path: the file.
        name: the account's name, or ``None`` for one made from the e-mail address.

    Returns:
        The account, and the tool that holds the file.

    Raises:
        NotFound: there is no such file, or it holds no login.
        Unsafe: others can read it, or it cannot be replaced.
        Unavailable: another process holds its locks, or an exchange of its token is unsettled.
        ConfigError: its tool could not go on with an access-only file.
        FetchTokenError: the broker refused it; the file is as it was.
    """
    path = path.expanduser().absolute()
    with as_owner_of(path.parent):
        # Followed once: a link that is pointed elsewhere meanwhile must not cost the other login.
        real = Path(os.path.realpath(path))
        form = _read(path, real).form  # before a lock file is made beside nothing
    refuse_kept(form, str(path), instead=f"codex-broker account import {path} --sole-owner")
    with ExitStack() as locks:
        with as_owner_of(path.parent):
            # They stay held whoever we are.
            locks.enter_context(hold(str(real), form.key, named=str(path)))
            found = _read(path, real)
            _refuse_unsettled(real, found)
            # Made before anything is stored, so that nothing but the disk can end this in the middle.
            text = access_only_text(found, found.logins[0].token(), now_s=time.time())
        begun = call("account_adopt_begin", document=found.text, name=name, path=str(path))
        if found.logins[0].refresh_token:
            with as_owner_of(path.parent):
                _rewrite(real, text)
        adopted = dict(call("account_adopt_finish", name=begun["account"]))
    return adopted, tool_at(str(path), form.key)


def _read(path: Path, real: Path) -> Found:
    """Return what the real file holds, under the name that the person gave."""
    found = read_found(str(real))
    return Found(str(path), found.data) if path != real else found


def _refuse_unsettled(path: Path, found: Found) -> None:
    token = found.logins[0].refresh_token
    if token and path.stat().st_nlink > 1:
        raise Unsafe(
            f"{path} has another hard link, which would keep the refresh token",
            hint=f"find the other name by: find / -samefile {path}",
        )
    refuse_unsettled(str(path), token, then="adopt again")


def _rewrite(path: Path, text: str) -> None:
    try:
        replace_file(str(path), text.encode())
    except OSError as error:
        raise Unsafe(
            f"{path} cannot be made access-only: {error.strerror}; the account stays disabled",
            hint="free or mend the disk, then run the same command again",
        ) from None
