"""Who holds an account or a refresh token already: the questions before a login comes in."""

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from broker.domain.records import Held, Spent
from broker.store.keys import StoreKeys
from broker.store.tables import accounts, spent
from fetchtoken.domain.errors import ConfigError
from fetchtoken.domain.secret import Secret

__all__ = ["find_fingerprint", "refuse_held", "refuse_known_token"]


async def find_fingerprint(
    connection: AsyncConnection, keys: StoreKeys, token: Secret
) -> Held | Spent | None:
    """Tell whether a refresh token is held now or was spent here."""
    fingerprint = keys.fingerprint(token)
    held = await connection.execute(select(accounts.c.name).where(accounts.c.fingerprint == fingerprint))
    name = held.scalar_one_or_none()
    if name is not None:
        return Held(name)
    found = await connection.execute(
        select(spent.c.at, accounts.c.name)
        .outerjoin(accounts, accounts.c.id == spent.c.account)
        .where(spent.c.fingerprint == fingerprint)
    )
    row = found.one_or_none()
    return None if row is None else Spent(row.name or "", row.at)


async def refuse_held(connection: AsyncConnection, name: str, identity: str | None, besides: int = 0) -> None:
    """Raise ConfigError, saying which, where a name or an identity is taken.

    Args:
        connection: any connection.
        name: the name wanted.
        identity: what :func:`broker.store.rows.identity_of` returned.
        besides: the account that may have them.
    """
    same = accounts.c.name == name
    wanted = same if identity is None else or_(same, accounts.c.identity == identity)
    held = await connection.execute(
        select(accounts.c.name, accounts.c.identity).where(wanted, accounts.c.id != besides)
    )
    for row in held:
        if identity is not None and row.identity == identity:
            raise ConfigError(
                f"this account and user are already held as {row.name}",
                hint=f"codex-broker account show {row.name}",
                code="account_exists",
            )
        raise ConfigError(
            f"there is already an account named {name}",
            hint="choose another name",
            code="account_exists",
        )


async def refuse_known_token(connection: AsyncConnection, keys: StoreKeys, token: Secret | None) -> None:
    """Raise ConfigError, saying where, when a refresh token is held or was spent here."""
    known = await find_fingerprint(connection, keys, token) if token else None
    if isinstance(known, Held):
        raise ConfigError(
            f"this refresh token is already held as {known.account}",
            hint=f"codex-broker account show {known.account}",
            code="account_exists",
        )
    if isinstance(known, Spent):
        by = f" for {known.account}" if known.account else ""
        raise ConfigError(
            f"this is an old copy: its refresh token was already exchanged here{by}",
            hint="delete the copy; the broker holds what came of it",
            code="spent",
        )
