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
from broker.cli.reading import read_auth_text
from fetchtoken.codex.locks import auth_locks, codex_home_of
from fetchtoken.codex.settled import refuse_unsettled
from fetchtoken.domain.errors import Unsafe
from fetchtoken.domain.jsontext import dumps
from fetchtoken.files.atomic import replace_file
from fetchtoken.formats.codex import AuthFile, access_only_document, parse_auth_file

__all__ = ["adopt_file", "codex_home"]

_LOCK_LIMIT_S = 20.0
"""Longer than an exchange of the command's own may hold the locks."""


def codex_home() -> Path:
    """Return the Codex home: ``CODEX_HOME``, else ``~/.codex``."""
    return Path(os.environ.get("CODEX_HOME") or Path.home() / ".codex")


def adopt_file(call: Caller, path: Path, name: str | None) -> dict[str, Any]:
    """Take over the login of an auth file and leave the file access-only.

    Args:
        call: the broker.
        path: the file.
        name: the account's name, or ``None`` for one made from the e-mail address.

    Returns:
        The account.

    Raises:
        NotFound: there is no such file, or it is empty.
        Unsafe: others can read it, or it cannot be replaced.
        Unavailable: another process holds its locks, or an exchange of its token is unsettled.
        FetchTokenError: the broker refused it; the file is as it was.
    """
    path = path.expanduser().absolute()
    with as_owner_of(path.parent):
        # Followed once: a link that is pointed elsewhere meanwhile must not cost the other login.
        real = Path(os.path.realpath(path))
        read_auth_text(real)  # before a lock file is made beside nothing
    with ExitStack() as locks:
        _lock(path, real, locks)
        with as_owner_of(path.parent):
            text = read_auth_text(real)
            auth = parse_auth_file(text, str(path))
            _refuse_unsettled(real, auth)
        begun = call("account_adopt_begin", document=text, name=name, path=str(path))
        if auth.refresh_token:
            with as_owner_of(path.parent):
                _rewrite(real, auth)
        return dict(call("account_adopt_finish", name=begun["account"]))


def _lock(path: Path, real: Path, locks: ExitStack) -> None:
    """Take Codex's locks as the file's owner; they stay held whoever we are."""
    try:
        with as_owner_of(path.parent):
            locks.enter_context(
                auth_locks(str(real), codex_home_of(str(path)), time.monotonic() + _LOCK_LIMIT_S)
            )
    except OSError as error:
        raise Unsafe(
            f"the locks of {path} cannot be taken: {error.strerror}",
            hint=f"make {path.parent} writable, on a file system that can lock",
        ) from None


def _refuse_unsettled(path: Path, auth: AuthFile) -> None:
    if auth.refresh_token and path.stat().st_nlink > 1:
        raise Unsafe(
            f"{path} has another hard link, which would keep the refresh token",
            hint=f"find the other name by: find / -samefile {path}",
        )
    refuse_unsettled(str(path), auth.refresh_token, then="adopt again")


def _rewrite(path: Path, auth: AuthFile) -> None:
    document = access_only_document(auth.token(), now_s=time.time())
    try:
        replace_file(str(path), (dumps(document, indent=2) + "\n").encode())
    except OSError as error:
        raise Unsafe(
            f"{path} cannot be made access-only: {error.strerror}; the account stays disabled",
            hint="free or mend the disk, then run the same command again",
        ) from None
