"""What happens to invites, each one transaction: made, ended, used."""

from collections.abc import Set as AbstractSet

from broker.domain.apikey import ApiKey
from broker.domain.audit import Action
from broker.domain.invite import Invite
from broker.domain.records import AuditRecord
from broker.store.invites import Joined, add_invite, end_invites, find_genuine, read_waiting
from broker.store.invites import redeem as _redeem
from broker.store.store import Store
from fetchtoken.domain.errors import ConfigError, NotFound
from fetchtoken.domain.secret import Secret

__all__ = ["invite", "redeem", "revoke_invite", "waiting"]

# The functions of this module are of the same class as the store's methods, apart for its size.


async def invite(  # noqa: PLR0913 - a record; its fields are named at the call
    store: Store,
    name: str,
    code: ApiKey,
    audit: AuditRecord,
    *,
    accounts: AbstractSet[int],
    default_account: int | None,
    scopes: AbstractSet[str],
    expires_at: float,
    device: bool = False,
) -> tuple[Invite, bool]:
    """Store an invite with the keyed hash of its code; an earlier one for the same client is void.

    Args:
        store: the store.
        name: of the client to be made, or of the one whose devices it approves; checked by the caller.
        code: a new code; its text is not stored.
        audit: the record.
        accounts: row ids of the accounts to be granted, at least one.
        default_account: one of them, or ``None``.
        scopes: of :data:`broker.domain.client.SCOPES`.
        expires_at: epoch seconds.
        device: it makes no client, and approves a device login for one that is there.

    Returns:
        The invite, and whether an earlier code that still counted was replaced.

    Raises:
        ConfigError: there is a client of that name (code ``client_exists``).
    """
    async with store._work(audit) as work:  # noqa: SLF001 - see above
        return await add_invite(
            work,
            name,
            code,
            granted=accounts,
            default_account=default_account,
            scopes=scopes,
            expires_at=expires_at,
            device=device,
        )


async def waiting(store: Store) -> list[Invite]:
    """Return the invites whose codes were neither used nor ended; expired ones included."""
    async with store.database.read() as connection:
        return await read_waiting(connection)


async def revoke_invite(store: Store, name: str, audit: AuditRecord) -> int:
    """Void the code for a client and return the revision of that change; raises NotFound."""
    async with store._work(audit) as work:  # noqa: SLF001 - see above
        if not await end_invites(work, "revoked", name=name):
            raise NotFound(f"there is no invite for {name}", hint="codex-broker client list")
        return work.revision


async def redeem(store: Store, code: ApiKey, nonce: Secret, audit: AuditRecord) -> Joined | None:
    """Make the client of an invite, or tell the machine that did so just now the same again.

    A code that was not given out here costs one look; a genuine one that does not count any more
    leaves a record.

    Args:
        store: the store.
        code: what was sent.
        nonce: the machine's own.
        audit: the record; the client's name is filled in.

    Returns:
        ``None`` where the code is unknown, used, expired, revoked or void.

    Raises:
        ConfigError: it makes no client (code ``device_invite``); it can be used as before.
    """
    async with store.database.read() as connection:
        found = await find_genuine(connection, store.keys, code)
    if found is None:
        return None
    if found.device:
        refused = audit._replace(action=Action.INVITE_REFUSED, client=found.name, outcome="device_invite")
        await store.record(refused)
        raise ConfigError(
            "this code approves device logins, and makes no client",
            hint="type it on the page that codex login --device-auth names",
            code="device_invite",
        )
    async with store._work(audit) as work:  # noqa: SLF001 - see above
        return await _redeem(work, code, nonce)
