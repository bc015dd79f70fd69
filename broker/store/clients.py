"""Clients: API keys, grants, expiry, revocation."""

from collections.abc import Set as AbstractSet
from typing import Any

from sqlalchemy import delete, insert, or_, select, update

from broker.domain.apikey import ApiKey, hash_key
from broker.domain.audit import Action
from broker.domain.records import Client
from broker.store.rows import client_from_row
from broker.store.tables import accounts, clients, grants, machines, ssh_keys
from broker.store.work import Work
from fetchtoken.domain.errors import ConfigError, NotFound

__all__ = ["add_client", "change_grants", "read_client", "revoke_client", "rotate_client", "set_ssh_keys"]


async def add_client(  # noqa: PLR0913 - a record; its fields are named at the call
    work: Work,
    name: str,
    key: ApiKey,
    *,
    granted: AbstractSet[int],
    default_account: int | None,
    scopes: AbstractSet[str],
    expires_at: float | None,
    fingerprints: AbstractSet[str] = frozenset(),
) -> Client:
    """Store a client and the hash of its key; see :meth:`broker.store.store.Store.add_client`."""
    taken = await work.connection.execute(select(clients.c.id).where(clients.c.name == name))
    if taken.one_or_none() is not None:
        raise ConfigError(
            f"there is already a client named {name}",
            hint=f"codex-broker client show {name}",
            code="client_exists",
        )
    await _check_accounts(work, granted)
    await _check_free(work, fingerprints)
    values = {
        "name": name,
        "key_id": key.key_id,
        "key_hash": hash_key(key, work.keys.api_key_hash),
        "scopes": " ".join(sorted(scopes)),
        "default_account": _granted_default(default_account, granted),
        "expires_at": expires_at,
        "created_at": work.now_s,
        "updated_at": work.now_s,
        "revision": work.revision,
    }
    client = await work.insert(clients, values)
    await _insert_grants(work, client, granted)
    await _insert_ssh_keys(work, client, fingerprints)
    await work.log()
    return await read_client(work, client)


async def rotate_client(work: Work, client: int, key: ApiKey) -> Client:
    """Put a new key in place of the old one, with which end the credentials that it was exchanged for.

    Raises:
        NotFound: the client was removed.
    """
    held = await read_client(work, client)
    await _end_exchanged(work, held)
    await _update(work, client, {"key_id": key.key_id, "key_hash": hash_key(key, work.keys.api_key_hash)})
    await work.log()
    return await read_client(work, client)


async def set_ssh_keys(work: Work, client: int, fingerprints: AbstractSet[str]) -> Client:
    """Put SSH keys in place of those that a client has; raises NotFound, and ConfigError for another's."""
    await read_client(work, client)
    await work.connection.execute(delete(ssh_keys).where(ssh_keys.c.client == client))
    await _check_free(work, fingerprints)
    await _insert_ssh_keys(work, client, fingerprints)
    await _update(work, client, {})
    await work.log()
    return await read_client(work, client)


async def revoke_client(work: Work, client: int) -> Client:
    """Revoke a client's key; raises NotFound."""
    held = await read_client(work, client)
    await _update(work, client, {"revoked_at": held.revoked_at or work.now_s})
    await work.log()
    return await read_client(work, client)


async def change_grants(
    work: Work, client: int, *, add: AbstractSet[int], remove: AbstractSet[int], default_account: int | None
) -> Client:
    """Add and take away grants; see :meth:`broker.store.store.Store.change_grants`."""
    held = await read_client(work, client)
    await _check_accounts(work, add)
    await work.connection.execute(
        delete(grants).where(grants.c.client == client, grants.c.account.in_(remove))
    )
    await _insert_grants(work, client, add - held.accounts)
    granted = (held.accounts | add) - remove
    default = held.default_account if held.default_account in granted else None
    if default_account is not None:
        default = _granted_default(default_account, granted)
    await _update(work, client, {"default_account": default})
    await work.log()
    return await read_client(work, client)


async def read_client(work: Work, client: int) -> Client:
    """Return a client by its row id; raises NotFound."""
    row = (await work.connection.execute(select(clients).where(clients.c.id == client))).one_or_none()
    if row is None:
        raise NotFound("this client was removed", hint="codex-broker client list")
    granted = await work.connection.execute(select(grants.c.account).where(grants.c.client == client))
    keys = await work.connection.execute(select(ssh_keys.c.fingerprint).where(ssh_keys.c.client == client))
    return client_from_row(row, frozenset(granted.scalars()), frozenset(keys.scalars()))


async def _update(work: Work, client: int, values: dict[str, Any]) -> None:
    stamped = {**values, "updated_at": work.now_s, "revision": work.revision}
    await work.connection.execute(update(clients).where(clients.c.id == client).values(stamped))


async def _end_exchanged(work: Work, held: Client) -> None:
    """Revoke the machine credentials that came from a client's key, each with a record of its own."""
    live = or_(machines.c.expires_at.is_(None), machines.c.expires_at > work.now_s)
    came = (
        machines.c.client == held.id,
        machines.c.from_key == held.key_id,
        machines.c.revoked_at.is_(None),
        live,
    )
    rows = await work.connection.execute(select(machines.c.id, machines.c.name).where(*came))
    for row in rows.all():
        told = f"machine {row.id} {row.name}, with the API key that it came from"
        await work.log_also(Action.MACHINE_REVOKED, "ok", told)
    changed = {"revoked_at": work.now_s, "revision": work.revision}
    await work.connection.execute(update(machines).where(*came).values(changed))


async def _insert_grants(work: Work, client: int, granted: AbstractSet[int]) -> None:
    if granted:
        rows = [{"client": client, "account": account} for account in sorted(granted)]
        await work.connection.execute(insert(grants), rows)


async def _insert_ssh_keys(work: Work, client: int, fingerprints: AbstractSet[str]) -> None:
    if fingerprints:
        rows = [{"fingerprint": one, "client": client} for one in sorted(fingerprints)]
        await work.connection.execute(insert(ssh_keys), rows)


async def _check_free(work: Work, fingerprints: AbstractSet[str]) -> None:
    """Raise where a key is another client's: whoever connects must be one client, and known as that one."""
    held = (
        select(ssh_keys.c.fingerprint, clients.c.name)
        .join(clients)
        .where(ssh_keys.c.fingerprint.in_(fingerprints))
    )
    for fingerprint, name in await work.connection.execute(held.order_by(ssh_keys.c.fingerprint)):
        raise ConfigError(
            f"the SSH key {fingerprint} is that of client {name}",
            hint=f"give this client a key of its own, or: codex-broker client rotate {name} --no-ssh-key",
            code="ssh_key_taken",
        )


async def _check_accounts(work: Work, wanted: AbstractSet[int]) -> None:
    found = await work.connection.execute(select(accounts.c.id).where(accounts.c.id.in_(wanted)))
    if set(found.scalars()) != set(wanted):
        raise NotFound("an account to be granted was removed", hint="codex-broker account list")


def _granted_default(default_account: int | None, granted: AbstractSet[int]) -> int | None:
    if default_account is not None and default_account not in granted:
        raise ConfigError("the default account must be one that is granted", hint="grant it first")
    return default_account
