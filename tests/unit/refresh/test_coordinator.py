"""One exchange per rotation, whoever asks and whatever comes back."""

import asyncio
import socket

import pytest

from broker.domain.account import State
from broker.domain.audit import Action
from broker.domain.records import AuditRecord
from fetchtoken.domain.errors import LoginRequired, Unavailable
from tests.unit.refresh.conftest import World


async def test_a_due_account_is_exchanged_once_and_committed(world: World) -> None:
    """A forced refresh rotates at the issuer once, and store, memory and journal agree afterwards."""
    account = await world.add()
    fresh = await world.coordinator.refresh(account.id, force=True)
    row = await world.row()
    assert fresh.generation == row.generation == 1
    assert row.refresh_token != account.refresh_token
    assert world.roster.account("work") == row
    assert world.decisions() == ["rotated"]
    assert world.journals.attempts() == []
    assert world.issuer.alive(row.access_token.reveal())


async def test_five_hundred_callers_share_one_exchange(world: World) -> None:
    """However many ask for an expired account at once, the issuer sees one request and all are served."""
    account = await world.add(life_s=3600, age_s=3600)
    asked = [world.coordinator.ensure(account.id, reason="test") for _ in range(500)]
    served = await asyncio.gather(*asked)
    assert {one.generation for one in served} == {1}
    assert world.decisions() == ["rotated"]


async def test_a_cancelled_caller_does_not_cancel_the_exchange(world: World) -> None:
    """The last caller may go away in mid-exchange; the rotation is committed all the same."""
    account = await world.add(life_s=3600, age_s=3600)
    world.issuer.fault("hold")
    caller = asyncio.create_task(world.coordinator.ensure(account.id, reason="test"))
    await asyncio.to_thread(world.issuer.until_held)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    flight = world.coordinator.start(account, reason="join")
    world.issuer.release()
    assert (await flight).generation == 1


async def test_a_fresh_account_is_left_alone(world: World) -> None:
    """Neither ensure nor an unforced refresh sends anything while the token is fresh."""
    account = await world.add()
    assert await world.coordinator.ensure(account.id, reason="test") == account
    assert await world.coordinator.refresh(account.id, force=False) == account
    assert world.decisions() == []


@pytest.mark.parametrize("fault", ["500", "reset", "torn", "missing-fields", "html", "not-json"])
async def test_what_may_have_rotated_is_in_doubt(world: World, fault: str) -> None:
    """Without a usable answer the account is in doubt, serves on, and is never sent again by itself."""
    account = await world.add()
    world.issuer.fault(fault)
    with pytest.raises(Unavailable, match="in doubt"):
        await world.coordinator.refresh(account.id, force=True)
    row = await world.row()
    assert row.state is State.IN_DOUBT
    assert row.access_token == account.access_token
    with pytest.raises(Unavailable, match="in doubt"):
        await world.coordinator.refresh(account.id, force=True)
    await world.recovery.look()
    assert len(world.decisions()) == 1
    assert world.journals.attempts() == [row.attempt_id]


@pytest.mark.parametrize(
    "fault", ["503", "503-retry-after", "429", "429-retry-after", "redirect-302", "403-page"]
)
async def test_a_complete_no_for_now_backs_off(world: World, fault: str) -> None:
    """The account stays active, waits at least Retry-After, and the next attempt succeeds."""
    account = await world.add()
    world.issuer.fault(fault, seconds=1000)
    with pytest.raises(Unavailable):
        await world.coordinator.refresh(account.id, force=True)
    row = await world.row()
    assert (row.state, row.failures) == (State.ACTIVE, 1)
    least_s = 990 if fault.endswith("retry-after") else 0
    assert row.not_before_s > world.clock() + least_s
    assert world.journals.attempts() == []
    assert (await world.coordinator.refresh(account.id, force=True)).failures == 0


@pytest.mark.parametrize("shape", ["nested", "string", "top"])
@pytest.mark.parametrize(
    "fault", ["refuse-reused", "refuse-expired", "refuse-revoked", "refuse-grant", "refuse-bare"]
)
async def test_only_a_refusal_requires_a_login(world: World, fault: str, shape: str) -> None:
    """Every refusal, in each shape of error, ends the login and is never sent again."""
    account = await world.add()
    world.issuer.settings(error_shape=shape)
    world.issuer.fault(fault)
    with pytest.raises(LoginRequired):
        await world.coordinator.refresh(account.id, force=True)
    assert (await world.row()).state is State.LOGIN_REQUIRED
    with pytest.raises(LoginRequired):
        await world.coordinator.refresh(account.id, force=True)
    assert len(world.decisions()) == 1


async def test_an_unreachable_issuer_costs_nothing(world: World) -> None:
    """When nothing could be sent the account stays active and is tried again later."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        account = await world.add(url=f"http://127.0.0.1:{nobody.getsockname()[1]}")
        with pytest.raises(Unavailable):
            await world.coordinator.refresh(account.id, force=True)
    row = await world.row()
    assert (row.state, row.last_error) == (State.ACTIVE, "not_sent")


async def test_a_refresh_token_that_stays_is_not_spent(world: World) -> None:
    """An answer without a refresh token keeps the old one in force, and it may be exchanged again."""
    account = await world.add()
    world.issuer.fault("no-refresh-token")
    first = await world.coordinator.refresh(account.id, force=True)
    assert first.refresh_token == account.refresh_token
    assert (await world.coordinator.refresh(account.id, force=True)).generation == 2


async def test_nothing_is_sent_without_a_journal(world: World) -> None:
    """Where the attempt file cannot be made, no intent is written and the issuer sees nothing."""
    account = await world.add()
    blocked = world.directory / "journal"
    blocked.rename(world.directory / "away")
    with pytest.raises(Unavailable, match="journal"):
        await world.coordinator.refresh(account.id, force=True)
    assert world.coordinator.journal_error
    assert (await world.row()).state is State.ACTIVE
    assert world.decisions() == []


async def test_accounts_that_must_not_be_sent_are_not(world: World) -> None:
    """An account whose adoption is unfinished is refused before anything is made."""
    account = await world.add()
    held = await world.store.set_flags(account.id, AuditRecord(0, Action.ACCOUNT_ADOPTING), adopting=True)
    world.roster.put_account(held)
    with pytest.raises(Unavailable, match="adopt"):
        await world.coordinator.refresh(account.id, force=True)
    assert world.decisions() == []


async def test_nothing_begins_while_closing(world: World) -> None:
    """A stopping daemon lands what flies and starts nothing more."""
    account = await world.add()
    world.issuer.fault("hold")
    flight = world.coordinator.start(account, reason="forced", now=True)
    await asyncio.to_thread(world.issuer.until_held)
    closing = asyncio.create_task(world.coordinator.close(within_s=30))
    await asyncio.sleep(0)
    world.issuer.release()
    assert await closing
    assert (await flight).generation == 1
    with pytest.raises(Unavailable, match="stopping"):
        await world.coordinator.refresh(account.id, force=True)
