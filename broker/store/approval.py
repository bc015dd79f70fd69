"""Approving device logins by invite codes: looked at first, decided then, each one transaction."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Table, and_, select, update

from broker.domain.apikey import ApiKey, new_key
from broker.domain.approval import Offer, Refusal, Wish
from broker.domain.audit import Action
from broker.domain.device import (
    MOST_WRONG,
    REDEEMABLE_FOR_S,
    DeviceRequest,
    DeviceState,
    Hashed,
    accounts_for,
    hash_of,
    is_alive,
    new_secret,
)
from broker.domain.invite import HELD_FOR_S, Invite, Verdict, is_held, judge
from broker.domain.records import AuditRecord, Client
from broker.store.clients import add_client, read_client
from broker.store.devices import device_by
from broker.store.invites import find_genuine, invite_by_id
from broker.store.store import Store
from broker.store.tables import accounts, clients, device_requests, invites
from broker.store.work import Work
from fetchtoken.domain.instants import to_rfc3339
from fetchtoken.domain.secret import Secret

__all__ = ["Approved", "approve_device", "deny_device", "look_at_device"]

# The functions of this module are of the same class as the store's methods, apart for its size.


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """What an approval brought."""

    client: Client
    """As it now is; made just now where the invite makes one."""
    revision: int
    """Of this change."""


async def look_at_device(
    store: Store,
    user_code: Secret,
    invite: ApiKey | None,
    audit: AuditRecord,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> Offer | Refusal:
    """Return what an invite may approve of the request with a user code, with a ticket for doing so.

    Wrong codes are counted against the right one that they came with, and a right one forgives none: whoever
    guesses may well have a request of their own to show in between. Whatever was wrong, one transaction
    is written, so that it takes the same time. Who shows no invite that counts learns nothing of user codes.

    Args:
        store: the store.
        user_code: as typed, in its own notation.
        invite: the code shown; ``None`` for what is none.
        audit: the record, of which the action is filled in.
        random_bytes: a strong source.
    """
    async with store._work(audit) as work:  # noqa: SLF001 - see above
        request = await device_by(work.connection, Hashed.USER, user_code, work.keys.device)
        if request is not None and not _waits(request, work.now_s):
            request = None
        held = None if invite is None else await find_genuine(work.connection, work.keys, invite)
        if held is None or judge(held, b"", work.now_s) is not Verdict.OPEN:
            if request is not None:
                await _count_wrong_invite(work, request)
            return Refusal.INVITE
        if is_held(held, work.now_s):
            return Refusal.HELD
        if request is None:
            await _count_wrong_user_code(work, held)
            return Refusal.CODE
        client = await _client_of(work, held)
        names = await _names(work, accounts_for(held, client, work.now_s))
        if not names:
            return Refusal.POWERLESS
        ticket = new_secret(random_bytes)
        hashed = hash_of(Hashed.TICKET, ticket, work.keys.device)
        await _change(work, device_requests, request.id, {"ticket_hash": hashed, "invite": held.id})
        return Offer(ticket=ticket, request=request, client=held.name, accounts=tuple(sorted(names.values())))


async def deny_device(store: Store, ticket: Secret, audit: AuditRecord) -> Refusal | None:
    """Refuse a request for good; the invite can be used as before. Returns why that was not done."""
    async with store._work(audit) as work:  # noqa: SLF001 - see above
        request = await _taken(work, ticket)
        if request is None:
            return Refusal.TICKET
        await _change(work, device_requests, request.id, {"state": DeviceState.DENIED})
        held = await invite_by_id(work.connection, request.invite)
        named = work.audit._replace(client="" if held is None else held.name)
        await replace(work, audit=named).log_also(Action.DEVICE_DENIED, "ok", _asked(request))
        return None


async def approve_device(
    store: Store,
    ticket: Secret,
    wish: Wish,
    audit: AuditRecord,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> Approved | Refusal:
    """Approve the request that a ticket was given for, by the invite that it was given for, and spend both.

    Everything is looked at again: the ticket, the invite, its client, and whether that may have the account.

    Args:
        store: the store.
        ticket: as the form brought it; it counts once, whatever comes of it.
        wish: what was chosen.
        audit: the record, of which the action is filled in.
        random_bytes: a strong source.
    """
    async with store._work(audit) as work:  # noqa: SLF001 - see above
        request = await _taken(work, ticket)
        if request is None:
            return Refusal.TICKET
        held = await invite_by_id(work.connection, request.invite)
        if held is None or judge(held, b"", work.now_s) is not Verdict.OPEN or is_held(held, work.now_s):
            return await _refused(work, request, Refusal.INVITE)
        of_client = replace(work, audit=work.audit._replace(client=held.name))
        return await _approve(of_client, request, held, wish, random_bytes)


async def _approve(
    work: Work, request: DeviceRequest, invite: Invite, wish: Wish, random_bytes: Callable[[int], bytes]
) -> Approved | Refusal:
    client = await _client_of(work, invite)
    names = await _names(work, accounts_for(invite, client, work.now_s))
    account = next((row for row, name in names.items() if name == wish.account), None)
    if account is None:
        return await _refused(work, request, Refusal.NOT_GRANTED)
    await work.log_also(Action.INVITE_USED, "ok", "for a device login")
    if client is None:
        client = await _made(work, invite, random_bytes)
    used = {"used_at": work.now_s, "client": client.id}
    await _change(work, invites, invite.id, used)
    approved = {
        "state": DeviceState.APPROVED,
        "client": client.id,
        "account": account,
        "machine": wish.machine,
        "expires_at": max(request.expires_at, work.now_s + REDEEMABLE_FOR_S),
    }
    await _change(work, device_requests, request.id, approved)
    of_account = replace(work, audit=work.audit._replace(account=wish.account))
    told = f"machine {wish.machine}, {_asked(request)}"
    await of_account.log_also(Action.DEVICE_APPROVED, "ok", told)
    return Approved(client=client, revision=work.revision)


async def _taken(work: Work, ticket: Secret) -> DeviceRequest | None:
    """Return the request that a ticket is for, and void the ticket; ``None`` where it counts for nothing."""
    request = await device_by(work.connection, Hashed.TICKET, ticket, work.keys.device)
    if request is None:
        return None
    await _change(work, device_requests, request.id, {"ticket_hash": None})
    return request if _waits(request, work.now_s) else None


def _waits(request: DeviceRequest, now_s: float) -> bool:
    return request.state is DeviceState.WAITING and is_alive(request, now_s)


def _asked(request: DeviceRequest) -> str:
    return f"asked from {request.address} at {to_rfc3339(request.created_at)}"


async def _refused(work: Work, request: DeviceRequest, why: Refusal) -> Refusal:
    await work.log_also(Action.DEVICE_REFUSED, why, _asked(request))
    return why


async def _made(work: Work, invite: Invite, random_bytes: Callable[[int], bytes]) -> Client:
    """Make the client of an invite, with an API key that nobody is told."""
    added = replace(work, audit=work.audit._replace(action=Action.CLIENT_ADDED, detail="by device login"))
    return await add_client(
        added,
        invite.name,
        new_key("cbk", random_bytes),
        granted=invite.accounts,
        default_account=invite.default_account if invite.default_account in invite.accounts else None,
        scopes=invite.scopes,
        expires_at=None,
    )


async def _client_of(work: Work, invite: Invite) -> Client | None:
    found = await work.connection.execute(select(clients.c.id).where(clients.c.name == invite.name))
    row = found.scalar_one_or_none()
    return None if row is None else await read_client(work, row)


async def _names(work: Work, ids: frozenset[int]) -> dict[int, str]:
    """Return the names of accounts by row id; disabled ones are left out, for they bring no token."""
    enabled = and_(accounts.c.disabled.is_(False), accounts.c.adopting.is_(False))
    found = await work.connection.execute(
        select(accounts.c.id, accounts.c.name).where(accounts.c.id.in_(ids), enabled)
    )
    return {row.id: row.name for row in found}


async def _count_wrong_invite(work: Work, request: DeviceRequest) -> None:
    values: dict[str, object] = {"wrong": request.wrong + 1}
    if request.wrong + 1 >= MOST_WRONG:
        values |= {"state": DeviceState.VOID, "ticket_hash": None}
        await work.log_also(Action.DEVICE_VOID, "wrong_codes", _asked(request))
    await _change(work, device_requests, request.id, values)


async def _count_wrong_user_code(work: Work, invite: Invite) -> None:
    values: dict[str, object] = {"wrong": invite.wrong + 1}
    if invite.wrong + 1 >= MOST_WRONG:
        values = {"wrong": 0, "held_until": work.now_s + HELD_FOR_S}
        named = work.audit._replace(client=invite.name)
        await replace(work, audit=named).log_also(Action.INVITE_HELD, "wrong_codes", "")
    await _change(work, invites, invite.id, values)


async def _change(work: Work, table: Table, row: int, values: Mapping[str, object]) -> None:
    await work.connection.execute(update(table).where(table.c.id == row).values(values))
