"""Invites: codes that make one client each."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row, and_, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from broker.domain.apikey import ApiKey, hash_key, matches
from broker.domain.audit import Action
from broker.domain.client import is_live
from broker.domain.invite import KEPT_FOR_S, Invite, Verdict, judge, key_for, nonce_hash
from broker.domain.records import Client
from broker.store.clients import add_client, read_client
from broker.store.keys import StoreKeys
from broker.store.tables import accounts, clients, invite_grants, invites
from broker.store.work import Work
from fetchtoken.domain.errors import ConfigError, NotFound
from fetchtoken.domain.secret import Secret

__all__ = [
    "Joined",
    "add_invite",
    "check_free",
    "end_invites",
    "find_genuine",
    "invite_by_id",
    "read_waiting",
    "redeem",
]

_NOBODY = bytes(32)
"""Stands in for the stored hash of an unknown code, so that both cost the same time."""

_WAITING = and_(invites.c.used_at.is_(None), invites.c.ended == "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """What a code and a nonce brought."""

    client: Client
    api_key: Secret
    accounts: tuple[str, ...]
    """Names of the accounts granted, sorted."""
    first: bool
    """Whether the client was made just now; else its machine was told again."""


async def add_invite(  # noqa: PLR0913 - a record; its fields are named at the call
    work: Work,
    name: str,
    code: ApiKey,
    *,
    granted: AbstractSet[int],
    default_account: int | None,
    scopes: AbstractSet[str],
    expires_at: float,
    device: bool,
) -> tuple[Invite, bool]:
    """Store an invite; see :func:`broker.store.enrolment.invite`."""
    taken = await work.connection.execute(select(clients.c.id).where(clients.c.name == name))
    if not device and taken.one_or_none() is not None:
        raise ConfigError(
            f"there is already a client named {name}",
            hint=f"for a device login of that client: codex-broker invite {name} --device",
            code="client_exists",
        )
    replaced = await end_invites(work, "replaced", name=name)
    await work.connection.execute(delete(invites).where(invites.c.expires_at < work.now_s - KEPT_FOR_S))
    values = {
        "name": name,
        "code_id": code.key_id,
        "code_hash": hash_key(code, work.keys.invite),
        "scopes": " ".join(sorted(scopes)),
        "default_account": default_account,
        "expires_at": expires_at,
        "ended": "",
        "created_at": work.now_s,
        "device": device,
    }
    invite = await work.insert(invites, values)
    rows = [{"invite": invite, "account": account} for account in sorted(granted)]
    await work.connection.execute(insert(invite_grants), rows)
    await work.log()
    found = await _find(work.connection, code.key_id)
    assert found is not None  # noqa: S101 - it was inserted just now
    return (await _invites(work.connection, [found]))[0], any(work.now_s < one.expires_at for one in replaced)


async def end_invites(work: Work, why: str, *, name: str = "") -> list[Invite]:
    """Void all codes that wait to be used, or those for one client; return them."""
    wanted = and_(_WAITING, invites.c.name == name) if name else _WAITING
    rows = (await work.connection.execute(select(invites).where(wanted))).all()
    found = await _invites(work.connection, rows)
    for invite in found:
        await work.connection.execute(update(invites).where(invites.c.id == invite.id).values(ended=why))
        ended = work.audit._replace(client=invite.name, account="")
        await replace(work, audit=ended).log_also(Action.INVITE_ENDED, "ok", why)
    return found


async def check_free(work: Work, name: str) -> None:
    """Raise ``ConfigError`` (code ``invite_waiting``) where a code could still make a client of that name."""
    alive = and_(_WAITING, invites.c.name == name, invites.c.expires_at > work.now_s, ~invites.c.device)
    if (await work.connection.execute(select(invites.c.id).where(alive))).first() is not None:
        raise ConfigError(
            f"there is an invite for a client named {name}",
            hint=f"codex-broker client revoke {name} ends it",
            code="invite_waiting",
        )


async def read_waiting(connection: AsyncConnection) -> list[Invite]:
    """Return the codes that were neither used nor ended, by the client's name; expired ones included."""
    rows = (await connection.execute(select(invites).where(_WAITING).order_by(invites.c.name))).all()
    return await _invites(connection, rows)


async def find_genuine(connection: AsyncConnection, keys: StoreKeys, code: ApiKey) -> Invite | None:
    """Return the invite of a code that was given out here, whatever it is worth now, or ``None``."""
    row = await _find(connection, code.key_id)
    if not matches(code, keys.invite, _NOBODY if row is None else row.code_hash) or row is None:
        return None
    return (await _invites(connection, [row]))[0]


async def invite_by_id(connection: AsyncConnection, invite: int | None) -> Invite | None:
    """Return an invite by its row id, or ``None`` where it is forgotten."""
    rows = (await connection.execute(select(invites).where(invites.c.id == invite))).all()
    return next(iter(await _invites(connection, rows)), None)


async def redeem(work: Work, code: ApiKey, nonce: Secret) -> Joined | None:
    """Make the client of a genuine code; see :func:`broker.store.enrolment.redeem`."""
    row = await _find(work.connection, code.key_id)
    if row is None:
        return None
    (invite,) = await _invites(work.connection, [row])
    work = replace(work, audit=work.audit._replace(client=invite.name))
    hashed = nonce_hash(code, nonce, work.keys.invite)
    key = key_for(code, nonce, work.keys.invite)
    verdict = judge(invite, hashed, work.now_s)
    client = None
    if verdict is Verdict.OPEN:
        client = await _made(work, invite, key, hashed)
    elif verdict is Verdict.AGAIN:
        client = await _told_again(work, invite, key)
    if client is None:
        outcome = Verdict.ENDED if verdict in (Verdict.OPEN, Verdict.AGAIN) else verdict
        await work.log_also(Action.INVITE_REFUSED, outcome, work.audit.detail)
        return None
    names = select(accounts.c.name).where(accounts.c.id.in_(client.accounts)).order_by(accounts.c.name)
    granted = tuple((await work.connection.execute(names)).scalars())
    return Joined(client=client, api_key=key.text, accounts=granted, first=verdict is Verdict.OPEN)


async def _made(work: Work, invite: Invite, key: ApiKey, hashed: bytes) -> Client | None:
    """Make the client, once; ``None`` where its name was taken meanwhile."""
    taken = await work.connection.execute(select(clients.c.id).where(clients.c.name == invite.name))
    if taken.one_or_none() is not None:
        return None
    client = await add_client(
        work,
        invite.name,
        key,
        granted=invite.accounts,
        default_account=invite.default_account if invite.default_account in invite.accounts else None,
        scopes=invite.scopes,
        expires_at=None,
    )
    await work.log_also(Action.CLIENT_ADDED, "ok", "by invite")
    used = {"used_at": work.now_s, "nonce_hash": hashed, "client": client.id}
    await work.connection.execute(update(invites).where(invites.c.id == invite.id).values(used))
    return client


async def _told_again(work: Work, invite: Invite, key: ApiKey) -> Client | None:
    """Return the client that the code made, where its key still is the one that it was told."""
    if invite.client is None:
        return None
    try:
        client = await read_client(work, invite.client)
    except NotFound:
        return None
    if not matches(key, work.keys.api_key_hash, client.key_hash) or not is_live(client, work.now_s):
        return None
    await work.log_also(Action.INVITE_USED, "ok", "told again")
    return client


async def _find(connection: AsyncConnection, code_id: str) -> Row[Any] | None:
    found = await connection.execute(select(invites).where(invites.c.code_id == code_id))
    return found.one_or_none()


async def _invites(connection: AsyncConnection, rows: Iterable[Row[Any]]) -> list[Invite]:
    """Return the invites in rows, each with the accounts that are still there."""
    found = []
    for row in rows:
        fields = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented accessor
        del fields["code_hash"]
        granted = select(invite_grants.c.account).where(invite_grants.c.invite == row.id)
        ids = frozenset((await connection.execute(granted)).scalars())
        found.append(Invite(**fields | {"accounts": ids, "scopes": frozenset(row.scopes.split())}))
    return found
