"""Give an account another name: its file, what is known of its last exchange, and the link to it."""

from __future__ import annotations

import os
import time

from fetchtoken.codex.accounts import account_file, default_file
from fetchtoken.codex.local_attempt import carry, remove
from fetchtoken.codex.locks import file_locks, home_lock
from fetchtoken.codex.switch import read_login
from fetchtoken.domain.errors import ConfigError, FetchTokenError, NotFound
from fetchtoken.domain.secret import Secret
from fetchtoken.files.atomic import fsync_dir, replace_link

__all__ = ["rename_account"]


def rename_account(codex_home: str, old: str, new: str, deadline_s: float) -> None:
    """Rename an account's file, under the locks of both names.

    The new name is a link to the old one first: whoever comes in between, by either name or by
    ``auth.json``, finds the login. A rename that was killed is finished by the next one.

    Args:
        codex_home: the Codex home.
        old: an account with a file.
        new: a name without one.
        deadline_s: ``time.monotonic()`` seconds at which to give up waiting for locks.

    Raises:
        NotFound: there is no account of the old name.
        ConfigError: there is one of the new name.
        Unavailable: a refresh goes on for too long.
        OSError: something cannot be changed; what was not reached stands as it was.
    """
    before, after, link = (
        account_file(codex_home, old),
        account_file(codex_home, new),
        default_file(codex_home),
    )
    with (
        home_lock(codex_home, deadline_s),
        file_locks([os.path.realpath(before), _entry(before), _entry(after)], deadline_s),
    ):
        if not os.path.lexists(before):
            raise NotFound(f"no account {old}: {before} does not exist", hint="look into its directory")
        if os.path.lexists(after) and not _is_begun(before, after):
            raise ConfigError(f"there is an account {new} already: {after}", hint="take another name")
        used = os.path.islink(link) and os.path.realpath(link) == os.path.realpath(before)
        is_link = os.path.islink(before)
        replace_link(after, os.readlink(before) if is_link else os.path.basename(before))
        if used:
            replace_link(link, os.path.relpath(after, os.path.dirname(link)))
        if is_link:
            remove(before)
        else:
            _move(before, after)


def _move(before: str, after: str) -> None:
    """Put the file in the place of the link to it; what is known of its last exchange goes with it."""
    carry(before + ".attempt", after + ".attempt", _token(before), now_s=time.time())
    os.rename(before, after)
    fsync_dir(os.path.dirname(after))
    remove(before + ".attempt")


def _is_begun(before: str, after: str) -> bool:
    return os.path.islink(after) and os.path.realpath(after) == os.path.realpath(before)


def _entry(path: str) -> str:
    """Return a path with its directory followed, but not its last name."""
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


def _token(path: str) -> Secret:
    try:
        return read_login(path).refresh_token
    except FetchTokenError:
        return Secret("")
