"""Adopted files keep an access token that lives: each rotation is written into the file it came from.

Only where the file lies on this host, belongs to the daemon's user or root, and is still the
access-only file of the same account. Never made, never put in the place of a refresh token: that
is somebody's new login. What fails is logged and shown by ``check``, and never stops a rotation.
"""

import asyncio
import os
from enum import StrEnum
from pathlib import Path

import structlog

from broker.domain.records import Account
from broker.domain.tokens import token_of
from broker.refresh.threads import in_daemon_thread
from fetchtoken.domain.errors import FetchTokenError, LoginRequired, NotFound, Unsafe
from fetchtoken.files.atomic import replace_file
from fetchtoken.files.guard import read_bytes, writable_by_others
from fetchtoken.formats import codex_login
from fetchtoken.formats.codex import ACCESS_ONLY
from fetchtoken.formats.detect import OTHER_FILE
from fetchtoken.formats.login import Login
from fetchtoken.logins.hold import hold
from fetchtoken.logins.neutralise import access_only_text
from fetchtoken.logins.reading import Found

__all__ = ["AdoptedFiles", "FileState", "is_adopted", "look_at", "rewrite", "same_user"]

_log = structlog.get_logger("broker.refresh")


class FileState(StrEnum):
    """What lies where an account was adopted from."""

    ABSENT = "absent"
    """Nothing, or nothing that this process's user owns."""
    OTHER = "other"
    """Another account's, or no ChatGPT login."""
    LOGIN = "login"
    """A refresh token of the same account: a new login."""
    BEHIND = "behind"
    """An older access token."""
    CURRENT = "current"


class AdoptedFiles:
    """Writes them off the event loop, one task for each rotation."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def follow(self, account: Account, now_s: float) -> None:
        """Begin to bring an account's file up to date, where it was adopted."""
        if is_adopted(account):
            task = asyncio.create_task(self._write(account, now_s), name=f"rewrite of {account.name}'s file")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self, *, within_s: float) -> None:
        """Wait for what is being written, so many seconds at most."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=within_s)

    async def _write(self, account: Account, now_s: float) -> None:
        try:
            found = await in_daemon_thread(lambda: rewrite(account, now_s))
        except (FetchTokenError, OSError) as error:
            _log.warning(
                "adopted_file_not_rewritten",
                account=account.name,
                file=account.source_path,
                error=error.message if isinstance(error, FetchTokenError) else error.strerror,
            )
            return
        if found is FileState.LOGIN:
            _log.warning("adopted_file_holds_a_login", account=account.name, file=account.source_path)
        elif found is FileState.BEHIND:
            _log.info("adopted_file_rewritten", account=account.name, file=account.source_path)


def is_adopted(account: Account) -> bool:
    """Tell whether an account came out of a file that it left access-only."""
    path = account.source_path
    return (
        account.source == "adopt" and not account.adopting and not account.sealed and Path(path).is_absolute()
    )


def look_at(account: Account) -> FileState:
    """Return what an adopted account's file holds now; blocks on the disk.

    Raises:
        Unsafe: it is ours, and others can read it.
        Malformed: it is no auth file any more.
    """
    path = account.source_path
    try:
        owner = os.stat(path).st_uid  # noqa: PTH116 - beside the other calls on paths as text
    except OSError:
        return FileState.ABSENT
    if owner not in (os.geteuid(), 0):
        return FileState.ABSENT
    try:
        return _judge(account, Found(path, read_bytes(path, private=True)))
    except (NotFound, LoginRequired) as error:
        return FileState.OTHER if error.code == OTHER_FILE else FileState.ABSENT


def rewrite(account: Account, now_s: float) -> FileState:
    """Bring an adopted account's file up to date; blocks on its locks and the disk.

    Args:
        account: with the token in force.
        now_s: epoch seconds, for a token that does not say when it was issued.

    Returns:
        What was found; ``BEHIND`` was mended.

    Raises:
        FetchTokenError: it cannot be read, locked, or safely replaced.
        OSError: it cannot be written.
    """
    found = look_at(account)
    if found is not FileState.BEHIND:
        return found
    path = account.source_path
    if loose := writable_by_others(path):
        raise Unsafe(f"{loose} can be written by others", hint=f"chmod go-w {loose}")
    found_file = Found(path, read_bytes(path, private=True))
    with hold(os.path.realpath(path), found_file.form.key, named=path):
        found = look_at(account)
        if found is FileState.BEHIND:
            found_file = Found(path, read_bytes(path, private=True))
            replace_file(path, access_only_text(found_file, token_of(account), now_s=now_s).encode())
        return found


def _judge(account: Account, found: Found) -> FileState:
    login, *others = found.logins
    if others or not same_user(account, login):
        return FileState.OTHER
    if login.refresh_token:
        return FileState.LOGIN
    if login.form == codex_login.KEY and found.document.get("auth_mode") != ACCESS_ONLY:
        return FileState.OTHER
    issued_at = login.issued_at
    is_newer = issued_at is not None and account.issued_at is not None and issued_at > account.issued_at
    return FileState.CURRENT if is_newer or login.access_token == account.access_token else FileState.BEHIND


def same_user(account: Account, login: Login) -> bool:
    """Tell whether a file's login is of the same user in the same workspace."""
    return login.account_id == account.account_id and (
        not account.user_id or login.user_id == account.user_id
    )
