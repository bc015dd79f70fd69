"""Who else holds a login: said of a first sending, never of our own replay."""

import pytest
from structlog.testing import capture_logs

from broker.domain.account import State
from broker.domain.audit import Action
from fetchtoken.domain.errors import LoginRequired
from tests.unit.refresh.conftest import World


async def refused(world: World) -> str:
    """Refresh and return the message of the refusal."""
    with pytest.raises(LoginRequired) as raised:
        await world.coordinator.refresh((await world.row()).id, force=True)
    return raised.value.message


async def test_a_rival_is_noticed_and_named(world: World) -> None:
    """A token that somebody else used first is told apart in message, row, trail and log."""
    await world.add()
    assert world.issuer.exchange(world.logins["work"].refresh_token)[0] == 200
    with capture_logs() as lines:
        message = await refused(world)
    assert "has another holder" in message
    row = await world.row()
    assert (row.state, row.last_error) == (State.LOGIN_REQUIRED, "other_holder: refresh_token_reused")
    trail = [record.action for record in await world.store.list_audit(account="work")]
    assert trail[-1] == Action.ACCOUNT_OTHER_HOLDER
    assert [line["event"] for line in lines if "suspect" in line] == [Action.ACCOUNT_OTHER_HOLDER]


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        ("refuse-grant", "other_holder: invalid_grant"),
        ("refuse-expired", "refresh_token_expired"),
        ("refuse-revoked", "refresh_token_invalidated"),
        ("refuse-bare", "http_401"),
    ],
)
async def test_only_used_before_means_another_holder(world: World, fault: str, word: str) -> None:
    """An expired or revoked login accuses nobody."""
    await world.add()
    world.issuer.fault(fault)
    await refused(world)
    assert (await world.row()).last_error == word
