"""The look into an imported file before its login is sent."""

import json

import pytest
from structlog.testing import capture_logs

from broker.domain.account import State
from broker.domain.audit import Action
from broker.refresh.holders import has_moved_on
from fetchtoken.domain.errors import LoginRequired, Unavailable
from tests.unit.refresh.conftest import World


@pytest.fixture
def file(tmp_path):
    return tmp_path / "auth.json"


async def imported(world: World, file, *, source="import", **wishes):
    """Take in a login whose file stays where it is."""
    account = await world.add(source=source, source_path=str(file), **wishes)
    world.logins["work"].write(file)
    return account


def second_tool(world: World, file) -> None:
    """Exchange the file's refresh token and write the answer into it, as another program does."""
    document = json.loads(file.read_text())
    status, answer = world.issuer.exchange(document["tokens"]["refresh_token"])
    assert status == 200
    document["tokens"] |= {key: answer[key] for key in ("access_token", "refresh_token", "id_token")}
    file.write_text(json.dumps(document))


async def test_a_file_that_moved_on_is_noticed_before_sending(world, file):
    """Nothing is sent, by force neither; row, trail and log say so, and adopting is the one remedy."""
    account = await imported(world, file)
    second_tool(world, file)
    with capture_logs() as lines, pytest.raises(LoginRequired, match="has another holder") as raised:
        await world.coordinator.refresh(account.id, force=True)
    assert raised.value.hint == f"codex-broker account adopt {file}"
    row = await world.row()
    assert (row.state, row.restored, row.generation) == (State.ACTIVE, True, 0)
    assert [line["file"] for line in lines if line["event"] == "file_moved_on"] == [str(file)]
    record = (await world.store.list_audit(account="work"))[-1]
    assert (record.action, record.outcome) == (Action.ACCOUNT_RESTORED, "file_moved_on")
    assert world.decisions() == ["rotated"]


async def test_it_stays_so_for_as_long_as_the_file_does(world, file):
    """Asked again, it looks again; when the file is gone, a person may force it."""
    account = await imported(world, file)
    second_tool(world, file)
    for _ in range(2):
        with pytest.raises(LoginRequired, match="has another holder"):
            await world.coordinator.refresh(account.id, force=True)
    file.unlink()
    assert await has_moved_on(world.shop, await world.row()) is None


async def test_a_replay_looks_as_well(world, file):
    """In doubt, a file that moved on ends the hope that the first sending did nothing."""
    account = await imported(world, file)
    world.issuer.fault("500")
    with pytest.raises(Unavailable):
        await world.coordinator.refresh(account.id, force=True)
    second_tool(world, file)
    with pytest.raises(Unavailable, match="is in doubt, and has another holder") as raised:
        await world.coordinator.replay(account.id, peer="uid:0")
    assert raised.value.hint == f"codex-broker account adopt {file}"
    assert (await world.row()).replay_used is False
    assert world.decisions().count("rotated") == 1


@pytest.mark.parametrize(
    "what",
    ["as it was", "gone", "nonsense", "open to others", "access only", "another user", "spent here", "older"],
)
async def test_any_other_file_is_no_reason(world, file, what):
    """What is no newer login of the same user does not stop a rotation."""
    account = await imported(world, file)
    document = json.loads(file.read_text())
    if what == "gone":
        file.unlink()
    elif what == "nonsense":
        file.write_text("{")
    elif what == "open to others":
        second_tool(world, file)
        file.chmod(0o644)
    elif what == "access only":
        document["tokens"]["refresh_token"] = ""
        file.write_text(json.dumps(document))
    elif what == "another user":
        world.issuer.mint(user_id="else", account_id="else").write(file)
    elif what == "spent here":
        account = await world.coordinator.refresh(account.id, force=True)
    elif what == "older":
        same = {"user_id": account.user_id, "account_id": account.account_id}
        world.issuer.mint(age_s=100, **same).write(file)
    assert await has_moved_on(world.shop, account) is None


@pytest.mark.parametrize("source", ["adopt", "login"])
async def test_only_imports_left_their_file_as_it_was(world, file, source):
    """An adopted file with a refresh token holds a login of its own: ``check`` says to adopt it."""
    account = await imported(world, file, source=source)
    second_tool(world, file)
    assert await has_moved_on(world.shop, account) is None
