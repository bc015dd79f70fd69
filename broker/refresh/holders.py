"""Look, before a refresh token is sent, whether the file that it was imported from has moved on.

An import leaves its file as it is. Where another program refreshes that login all the same, the
refresh token here is spent, and sending it would end the login for both. The file tells.
"""

import asyncio
import os
from pathlib import Path

import structlog

from broker.domain.records import Account
from broker.domain.secondlife import Why
from broker.refresh.adopted import same_user
from broker.refresh.workshop import Workshop
from broker.store.lives import Cause, restore
from fetchtoken.domain.errors import FetchTokenError
from fetchtoken.formats.login import Login
from fetchtoken.logins.reading import read_found

__all__ = ["has_moved_on"]

_log = structlog.get_logger("broker.refresh")


async def has_moved_on(shop: Workshop, account: Account) -> Account | None:
    """Return the account, taken out of renewal, where its file holds a login of another hand.

    Args:
        shop: what it works with.
        account: as it is about to be sent.

    Returns:
        ``None`` where nothing speaks against sending: another source, no file, one that cannot be
        read or is somebody else's, an old copy.
    """
    if account.source != "import" or not Path(account.source_path).is_absolute():
        return None
    login = await asyncio.to_thread(_read, account)
    if login is None or not login.refresh_token:
        return None
    issued_at = login.issued_at
    is_older = issued_at is not None and account.issued_at is not None and issued_at < account.issued_at
    if is_older or await shop.store.find_fingerprint(login.refresh_token) is not None:
        return None
    cause = Cause(why=Why.FILE, detail=account.source_path, at=shop.rules.clock())
    changed = await restore(shop.store, {account.id}, cause, again=True)
    for row in changed:
        shop.roster.put_account(row)
    await shop.marks.keep(*changed)
    _log.error(
        "file_moved_on",
        account=account.name,
        file=account.source_path,
        hint=f"codex-broker account adopt {account.source_path}",
    )
    return changed[0] if changed else account


def _read(account: Account) -> Login | None:
    """Return the login of an account's user in the file that it was imported from, of whichever tool."""
    try:
        found = read_found(os.path.realpath(account.source_path))
    except FetchTokenError:
        return None
    return next((login for login in found.logins if same_user(account, login)), None)
