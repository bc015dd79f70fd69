"""Accounts: adding a login, replacing it, flags, removal."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from broker.domain.account import Event, State, step
from broker.domain.records import Account, NewLogin, Tokens
from broker.store.changes import record_removal
from broker.store.held import refuse_held, refuse_known_token
from broker.store.keys import StoreKeys
from broker.store.rows import contradicts, identity_of, token_columns
from broker.store.sealed import adopted_context
from broker.store.tables import accounts, adopted, clients, grants
from broker.store.work import Work
from fetchtoken.domain.errors import ConfigError

__all__ = ["add_account", "change_account", "keep_adopted", "remove_account", "replace_login"]

_NO_HISTORY: dict[str, Any] = {
    "attempt_id": None,
    "journal_id": None,
    "lease_until": None,
    "not_before_s": 0.0,
    "failures": 0,
    "last_error": "",
    "replay_used": False,
    "restored": False,
}
"""What is true of a login that just came in."""


async def add_account(work: Work, name: str, login: NewLogin, *, adopting: bool, disabled: bool) -> Account:
    """Store a login under a new name; see :meth:`broker.store.store.Store.add_account`."""
    tokens = login.tokens
    identity = identity_of(tokens.account_id, tokens.user_id)
    await refuse_held(work.connection, name, identity)
    await refuse_known_token(work.connection, work.keys, tokens.refresh_token)
    values = _login_columns(work, login) | {
        "name": name,
        "account_id": tokens.account_id,
        "user_id": tokens.user_id,
        "identity": identity,
        "email": tokens.email,
        "plan_type": tokens.plan_type,
        "state": State.ACTIVE,
        "disabled": disabled,
        "adopting": adopting,
        "created_at": work.now_s,
        "updated_at": work.now_s,
        "revision": work.revision,
    }
    account = await work.insert(accounts, values)
    await work.log()
    return await work.account(account)


async def replace_login(work: Work, account: int, login: NewLogin, *, adopting: bool) -> Account:
    """Put a new login in an account's place; see :meth:`broker.store.store.Store.replace_login`."""
    row = await work.account_row(account)
    tokens = login.tokens
    _refuse_unfit(row, tokens)
    await refuse_known_token(work.connection, work.keys, tokens.refresh_token)
    account_id, user_id = row.account_id or tokens.account_id, row.user_id or tokens.user_id
    identity = identity_of(account_id, user_id)
    await refuse_held(work.connection, row.name, identity, besides=account)
    values = _login_columns(work, login) | {
        "account_id": account_id,
        "user_id": user_id,
        "identity": identity,
        "state": step(State(row.state), Event.LOGIN_DONE).to,
        "email": tokens.email or row.email,
        "plan_type": tokens.plan_type or row.plan_type,
        "adopting": adopting,
    }
    await work.change(accounts.c.id == account, values)
    await work.log()
    return await work.account(account)


async def change_account(work: Work, account: int, values: Mapping[str, Any]) -> Account:
    """Change flags or the name; raises NotFound, and ConfigError where the name is taken."""
    await work.account_row(account)
    if "name" in values:
        await refuse_held(work.connection, values["name"], None, besides=account)
    await work.change(accounts.c.id == account, values)
    await work.log()
    return await work.account(account)


async def remove_account(work: Work, account: int) -> None:
    """Delete an account with its grants; what it spent stays known. Raises NotFound."""
    await work.account_row(account)
    holders = select(grants.c.client).where(grants.c.account == account)
    await work.connection.execute(
        update(clients).where(clients.c.id.in_(holders)).values(updated_at=work.now_s, revision=work.revision)
    )
    await work.connection.execute(delete(accounts).where(accounts.c.id == account))
    await record_removal(work.connection, "account", account, work.revision)
    await work.log()


async def keep_adopted(
    connection: AsyncConnection, keys: StoreKeys, account: Account, copy: tuple[str, str], now_s: float
) -> None:
    """Keep a sealed copy, (path, document), of a file as it was before it was made access-only."""
    path, document = copy
    box = keys.seal.close(document.encode(), adopted_context(account.login_id))
    values = {"at": now_s, "account": account.id, "path": path, "login_id": account.login_id, "box": box}
    await connection.execute(insert(adopted).values(values))


def _login_columns(work: Work, login: NewLogin) -> dict[str, Any]:
    return (
        _NO_HISTORY
        | token_columns(login.tokens, uuid4().hex, 0, work.keys)
        | {
            "issuer": login.issuer,
            "client_id": login.client_id,
            "source": login.source,
            "source_path": login.source_path,
        }
    )


def _refuse_unfit(row: Row[Any], tokens: Tokens) -> None:
    if contradicts(row, tokens):
        raise ConfigError(
            f"this login belongs to another account or user than {row.name}",
            hint="give it a name of its own",
            code="identity_mismatch",
        )
    if tokens.issued_at is not None and row.issued_at is not None and tokens.issued_at < row.issued_at:
        raise ConfigError(
            f"this login is older than the one that {row.name} holds",
            hint="nothing is to be done: the broker has the newer one",
            code="older",
        )
