"""A replay that was ordered past a journal which nobody could read."""

from broker.domain.account import State
from broker.domain.audit import Action
from broker.domain.trouble import trouble_of
from fetchtoken.domain.errors import Unavailable
from tests.unit.refresh.conftest import World
from tests.unit.refresh.test_replay import actions, doubtful


async def test_a_blind_replay_that_comes_back_unused_is_never_followed_by_itself(world: World) -> None:
    """The first journal may hold tokens: past the access token's end nothing is sent without a person."""
    row = await doubtful(world, life_s=100_000, age_s=50_000)
    world.journals.forget(row.attempt_id or "")
    world.issuer.fault("503")
    try:
        await world.coordinator.replay(row.id, peer="uid:0")
    except Unavailable:
        row = await world.row()
    assert (row.state, row.replay_used) == (State.IN_DOUBT, False)
    trouble = trouble_of(row, world.clock())
    assert trouble is not None
    assert "a journal of it could not be read" in trouble.what
    assert Action.ACCOUNT_BLIND in await actions(world)
    sent = len(world.decisions())
    world.offset_s += 200_000
    await world.load()
    world.scheduler.take(world.roster.accounts())
    assert world.scheduler._due() == []
    assert len(world.decisions()) == sent


async def test_a_blind_replay_that_succeeds_leaves_no_trace(world: World) -> None:
    """With new tokens the account is like any other, and refreshed by itself again."""
    row = await doubtful(world)
    world.journals.forget(row.attempt_id or "")
    renewed = await world.coordinator.replay(row.id, peer="uid:0")
    assert (renewed.state, renewed.generation, renewed.restored) == (State.ACTIVE, 1, False)
