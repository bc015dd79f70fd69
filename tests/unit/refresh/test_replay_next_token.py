"""An answer that brought the next refresh token and no access token: the old one is spent for good."""

from broker.domain.account import State
from tests.unit.refresh.conftest import World
from tests.unit.refresh.test_replay import doubtful


async def test_an_ordered_replay_takes_the_next_token_instead_of_sending_the_old(world: World) -> None:
    """The journal's refresh token becomes the login, nothing spent is sent, and the login lives on."""
    row = await doubtful(world, "no-access-token")
    sent = row.refresh_token
    taken = await world.coordinator.replay(row.id, peer="uid:0")
    assert (taken.state, taken.generation) == (State.ACTIVE, 1)
    assert taken.refresh_token != sent
    assert world.journals.attempts() == []
    fresh = await world.coordinator.refresh(row.id, force=True)
    assert (fresh.state, fresh.generation) == (State.ACTIVE, 2)
    assert world.issuer.alive(fresh.access_token.reveal())
    assert [decision for decision in world.decisions() if "reused" in decision] == []
