"""Machines that say their token was refused: one check, one exchange, whatever they post."""

import asyncio

import pytest

from broker.domain.records import Account
from broker.refresh.demands import Demands
from tests.support.records import a_machine
from tests.support.wait import until
from tests.unit.refresh.conftest import World

HOUR_S = 3600


class Backend:
    """Says whether a token is refused, and counts how often it was asked."""

    def __init__(self) -> None:
        self.refuses = True
        self.asked = 0
        self.answer = asyncio.Event()
        self.answer.set()

    async def is_refused(self, _account: Account) -> bool:
        self.asked += 1
        await self.answer.wait()
        return self.refuses


class Stand:
    """Demands with a backend and a clock of their own."""

    def __init__(self, world: World) -> None:
        self.backend = Backend()
        self.ticks_s = 0.0
        self.demands = Demands(
            world.roster,
            world.coordinator,
            self.backend.is_refused,
            clock=world.clock,
            ticks=lambda: self.ticks_s,
        )

    async def demand(self, account: Account, machine: int = 1) -> Account:
        """Demand for a machine that got what is held before, and note what it gets."""
        got = await self.demands.recovered(a_machine(id=machine), account)
        self.demands.served(a_machine(id=machine), got)
        return got


async def stand_of(world: World, *, age_s: int = HOUR_S) -> tuple[Stand, Account]:
    account = await world.add(age_s=age_s)
    stand = Stand(world)
    stand.demands.served(a_machine(), account)
    return stand, account


async def test_a_token_that_is_refused_is_exchanged_once(world: World) -> None:
    """Fifty demands at once come to one question and one exchange, and all get the new token."""
    stand, account = await stand_of(world)
    got = await asyncio.gather(*(stand.demand(account, machine) for machine in range(50)))
    assert {one.generation for one in got} == {1}
    assert (stand.backend.asked, world.decisions()) == (1, ["rotated"])


async def test_whoever_has_an_older_token_gets_the_newer_one(world: World) -> None:
    """A machine that missed a rotation is answered without a question to anybody."""
    stand, account = await stand_of(world)
    fresh = await world.coordinator.refresh(account.id, force=True)
    assert (await stand.demands.recovered(a_machine(), fresh)).generation == 1
    assert (stand.backend.asked, world.decisions()) == (0, ["rotated"])


async def test_a_token_that_works_is_given_again(world: World) -> None:
    """Where the backend takes the token, nothing is exchanged, and it is not asked again within a minute."""
    stand, account = await stand_of(world)
    stand.backend.refuses = False
    for ticks_s in (0, 1, 59):
        stand.ticks_s = ticks_s
        assert await stand.demand(account) == account
    assert (stand.backend.asked, world.decisions()) == (1, [])
    stand.ticks_s = 60
    await stand.demand(account)
    assert stand.backend.asked == 2


async def test_a_backend_that_refuses_everything_wears_nothing_out(world: World) -> None:
    """A token that is refused right after an exchange is not exchanged again."""
    stand, account = await stand_of(world)
    for minute in range(5):
        stand.ticks_s = 61.0 * minute
        account = await stand.demand(account)
    assert account.generation == 1
    assert (stand.backend.asked, world.decisions()) == (5, ["rotated"])


async def test_a_wrong_clock_wears_nothing_out_either(world: World) -> None:
    """To a broker whose clock is ahead each new token is old: ten minutes are counted by themselves, too."""
    world.offset_s = 3600
    stand, account = await stand_of(world, age_s=0)
    for minute in range(12):
        stand.ticks_s = 61.0 * minute
        account = await stand.demand(account)
    assert stand.backend.asked == 12
    assert world.decisions() == ["rotated"] * 2


async def test_a_new_token_is_never_exchanged_on_demand(world: World) -> None:
    """Within ten minutes of the exchange that brought it a refused token stays."""
    stand, account = await stand_of(world, age_s=0)
    assert await stand.demand(account) == account
    assert (stand.backend.asked, world.decisions()) == (1, [])


@pytest.mark.parametrize("fault", ["503", "500"])
async def test_an_exchange_that_fails_is_not_repeated(world: World, fault: str) -> None:
    """Whatever came of it, a generation is exchanged on demand once; the token that is held is answered."""
    stand, account = await stand_of(world)
    world.issuer.fault(fault)
    for minute in range(3):
        stand.ticks_s = 61.0 * minute
        world.offset_s += 1000
        got = await stand.demand(world.roster.account_by_id(account.id) or account)
        assert got.access_token == account.access_token
    assert len(world.decisions()) == 1


async def test_a_rotation_during_the_question_answers_the_demand(world: World) -> None:
    """What the backend refuses by then is an older token: the newer is given, and not exchanged at once."""
    stand, account = await stand_of(world)
    stand.backend.answer.clear()
    demand = asyncio.create_task(stand.demand(account))
    await until(lambda: stand.backend.asked)
    await world.coordinator.refresh(account.id, force=True)
    stand.backend.answer.set()
    assert (await demand).generation == 1
    assert world.decisions() == ["rotated"]


async def test_a_machine_that_goes_away_ends_nothing(world: World) -> None:
    """The check goes on for those who wait with it."""
    stand, account = await stand_of(world)
    stand.backend.answer.clear()
    gone = asyncio.create_task(stand.demand(account))
    stays = asyncio.create_task(stand.demand(account, 2))
    await until(lambda: stand.backend.asked)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    stand.backend.answer.set()
    assert (await stays).generation == 1
    assert (stand.backend.asked, world.decisions()) == (1, ["rotated"])


async def test_a_check_that_breaks_exchanges_nothing(world: World) -> None:
    """A fault of ours while asking reaches the caller as a bug, and is no refusal."""
    account = await world.add(age_s=HOUR_S)

    async def breaks(_account: Account) -> bool:
        raise RuntimeError

    demands = Demands(world.roster, world.coordinator, breaks, clock=world.clock, ticks=lambda: 0.0)
    with pytest.raises(RuntimeError):
        await demands.recovered(a_machine(), account)
    assert world.decisions() == []


async def test_machines_and_accounts_that_are_gone_are_forgotten(world: World) -> None:
    """What is remembered of each is bounded by how many there are, however many come and go."""
    stand, account = await stand_of(world)
    world.roster.put_machine(a_machine(account=account.id))
    for number in range(2, 500):
        stand.demands.served(a_machine(id=number, account=account.id), account)
    assert len(stand.demands._served) <= 2 * world.roster.machine_count + 1
