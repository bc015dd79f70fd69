"""What is due is started when it is due, and only that."""

import asyncio
import os
from contextlib import suppress

import pytest

from broker.domain.account import State
from broker.domain.audit import Action
from broker.domain.records import AuditRecord
from tests.support.wait import until
from tests.unit.refresh.conftest import World


async def until_generation(world: World, name: str, generation: int) -> None:
    """Wait until an account in memory has reached a generation."""

    def reached() -> bool:
        found = world.roster.account(name)
        return found is not None and found.generation >= generation

    await until(reached)


async def running(world: World) -> asyncio.Task[None]:
    """Start the scheduler with what is in memory."""
    world.scheduler.take(world.roster.accounts())
    return asyncio.create_task(world.scheduler.run())


async def stop(task: asyncio.Task[None]) -> None:
    """Stop it."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_stale_account_is_refreshed_and_a_fresh_one_is_not(world: World) -> None:
    """Past 60 % of its life an account is exchanged by itself; its neighbour is left alone."""
    await world.add("old", life_s=100_000, age_s=70_000)
    await world.add("new")
    task = await running(world)
    await until_generation(world, "old", 1)
    await stop(task)
    assert (await world.row("new")).generation == 0
    assert len(world.decisions()) == 1


async def test_a_disabled_account_is_not_refreshed(world: World) -> None:
    """A due account that is disabled stays as it is while others go on."""
    held = await world.add("off", life_s=100_000, age_s=70_000)
    off = await world.store.set_flags(held.id, AuditRecord(0, Action.ACCOUNT_DISABLED), disabled=True)
    world.roster.put_account(off)
    await world.add("on", life_s=100_000, age_s=70_000)
    task = await running(world)
    await until_generation(world, "on", 1)
    await stop(task)
    assert (await world.row("off")).generation == 0


async def test_an_old_entry_of_a_changed_account_is_dropped(world: World) -> None:
    """After a rotation the entry of the former revision starts nothing."""
    old = await world.add("old", life_s=100_000, age_s=70_000)
    await world.coordinator.refresh(old.id, force=True)
    world.scheduler.take([old])
    await world.add("other", life_s=100_000, age_s=70_000)
    task = await running(world)
    await until_generation(world, "other", 1)
    await stop(task)
    assert (await world.row("old")).generation == 1


async def test_a_flight_that_could_not_begin_is_tried_again(world: World) -> None:
    """A journal that cannot be written keeps the account in the queue."""
    account = await world.add("old", life_s=100_000, age_s=70_000)
    home = world.directory / "journal"
    home.rename(world.directory / "away")
    task = await running(world)
    await until(lambda: world.coordinator.journal_error)
    (world.directory / "away").rename(home)
    world.offset_s += 10
    world.scheduler.take([])
    await until_generation(world, "old", account.generation + 1)
    await stop(task)


@pytest.mark.parametrize("restart", [True, False], ids=["before the start", "while it runs"])
async def test_a_clock_that_was_a_year_ahead_holds_nothing_back(world: World, *, restart: bool) -> None:
    """What failed while the clock was wrong is tried again once it is right, and not a year later."""
    old = await world.add("old", life_s=100_000, age_s=70_000)
    world.offset_s = 3.2e7
    world.issuer.fault("503")
    await world.coordinator.start(old, reason="scheduled")
    assert (await world.row("old")).not_before_s > world.clock()
    if not restart:
        task = await running(world)
        await world.add("new", life_s=100_000, age_s=70_000)
        world.scheduler.take(world.roster.accounts())
        await until_generation(world, "new", 1)
    world.offset_s = 0.0
    if restart:
        world.restart()
        await world.load()
        task = await running(world)
    world.scheduler.take([])
    await until_generation(world, "old", 1)
    await stop(task)


async def test_recovery_runs_while_something_is_outstanding(world: World) -> None:
    """An account that a former daemon left refreshing is settled without anybody asking."""
    account = await world.add()
    os.close(world.journals.begin("b" * 32, account).fd)
    await world.store.arm(
        account,
        to=State.REFRESHING,
        attempt_id="b" * 32,
        journal_id=world.journals.journal_id,
        lease_s=90,
        audit=AuditRecord(0, Action.ACCOUNT_ATTEMPT),
    )
    world.restart()
    await world.load()
    task = await running(world)

    def settled() -> bool:
        found = world.roster.account("work")
        return found is not None and found.state is State.ACTIVE

    await until(settled)
    await stop(task)
