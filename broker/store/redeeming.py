"""What an approved device login brings: one machine credential, once."""

from dataclasses import replace

from sqlalchemy import update

from broker.domain.apikey import ApiKey
from broker.domain.approval import Redeemed
from broker.domain.audit import Action
from broker.domain.client import decide
from broker.domain.device import DeviceRequest, DeviceState, Hashed, is_alive
from broker.domain.machine import exchanged_ends
from broker.domain.records import AuditRecord, Machine
from broker.store.clients import read_client
from broker.store.devices import device_by
from broker.store.machines import replace_within, revoke_within
from broker.store.store import Store
from broker.store.tables import device_requests
from broker.store.work import Work
from fetchtoken.domain.errors import NotFound
from fetchtoken.domain.secret import Secret

__all__ = ["redeem_code"]

# The functions of this module are of the same class as the store's methods, apart for its size.


async def redeem_code(
    store: Store, code: Secret, key: ApiKey, audit: AuditRecord, *, at_most: int
) -> Redeemed:
    """Make the credential of an approved login; a code that was spent ends the one that it had brought.

    The trail has all of it in the same transaction, the access token that leaves with the credential, too.

    Args:
        store: the store.
        code: the authorization code; whoever shows it has proved to be the one that asked.
        key: a new machine credential; its text is not stored.
        audit: the record, of which the action is filled in; its client and account are the approved ones.
        at_most: how many live credentials a client may have, this one included.

    Raises:
        NotFound: client or account are gone, or the one may not use the other any more; nothing is spent.
        ConfigError: the client has that many already (code ``too_many_machines``); the code stays good.
    """
    async with store._work(audit) as work:  # noqa: SLF001 - see above
        request = await device_by(work.connection, Hashed.CODE, code, work.keys.device)
        if request is None:
            return Redeemed(made=None, ended=())
        if request.state is DeviceState.SPENT:
            return Redeemed(made=None, ended=await _replayed(work, request))
        if request.state is not DeviceState.APPROVED or not is_alive(request, work.now_s):
            return Redeemed(made=None, ended=())
        return await _redeemed(work, request, key, at_most)


async def _redeemed(work: Work, request: DeviceRequest, key: ApiKey, at_most: int) -> Redeemed:
    assert request.client is not None and request.account is not None  # noqa: S101, PT018 - it is approved
    client = await read_client(work, request.client)
    account = await work.account(request.account)
    if (why := decide(client, account, "token", work.now_s)) is not None:
        raise NotFound(f"what was approved has ended: {why}", hint=f"codex-broker client show {client.name}")
    await work.log_also(Action.DEVICE_REDEEMED, "ok", f"machine {request.machine}")
    added = work.audit._replace(action=Action.MACHINE_ADDED, detail="by device login")
    made, ended = await replace_within(
        replace(work, audit=added),
        key,
        client=client.id,
        account=request.account,
        name=request.machine,
        expires_at=exchanged_ends(client, work.now_s),
        at_most=at_most,
    )
    await work.log_also(Action.TOKEN_SERVED, "ok", f"machine {made.id} {made.name}")
    spent = {"state": DeviceState.SPENT, "credential": made.id}
    await work.connection.execute(
        update(device_requests).where(device_requests.c.id == request.id).values(spent)
    )
    return Redeemed(made=made, ended=ended)


async def _replayed(work: Work, request: DeviceRequest) -> tuple[Machine, ...]:
    await work.log_also(Action.DEVICE_REPLAYED, "invalid_grant", f"machine {request.machine}")
    if request.credential is None:
        return ()
    held = await revoke_within(work, {request.credential})
    ended = tuple(machine for machine in held if machine.revision == work.revision)
    for machine in ended:
        told = f"machine {machine.id} {machine.name}, its code came twice"
        await work.log_also(Action.MACHINE_REVOKED, "ok", told)
    return ended
