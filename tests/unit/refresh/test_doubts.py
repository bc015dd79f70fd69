"""One alert for many accounts in doubt."""

from structlog.testing import capture_logs

from broker.refresh.doubts import GATHER_S, Doubts
from tests.unit.refresh.conftest import World


async def into_doubt(world: World, *names: str) -> None:
    """Bring accounts into doubt."""
    for name in names:
        account = await world.add(name)
        world.issuer.fault("500")
        await world.coordinator.start(account, reason="forced", now=True)


async def test_an_outage_raises_one_alert(world: World) -> None:
    """Accounts that come into doubt one after the other are told together, once."""
    doubts = Doubts(world.shop)
    with capture_logs() as lines:
        await into_doubt(world, "a")
        assert doubts.look()
        await into_doubt(world, "b", "c")
        assert doubts.look()
        world.offset_s += GATHER_S
        assert not doubts.look()
        assert not doubts.look()
    alerts = [line for line in lines if line["event"] == "accounts_in_doubt"]
    assert [(alert["count"], alert["accounts"]) for alert in alerts] == [(3, ["a", "b", "c"])]


async def test_a_new_doubt_is_a_new_alert(world: World) -> None:
    """What was told is not told again by itself, and one more account tells of all."""
    doubts = Doubts(world.shop)
    await into_doubt(world, "a")
    doubts.look()
    world.offset_s += GATHER_S
    doubts.look()
    await into_doubt(world, "b")
    with capture_logs() as lines:
        doubts.look()
        world.offset_s += GATHER_S
        doubts.look()
    assert [line["accounts"] for line in lines if line["event"] == "accounts_in_doubt"] == [["a", "b"]]
