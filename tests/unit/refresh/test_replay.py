"""The one deliberate second sending: by order, and by itself only when nothing is left to lose."""

import asyncio
import fcntl
import json
import os
from collections.abc import Callable

import pytest

from broker.domain.account import State
from broker.domain.audit import Action
from broker.domain.records import Account, AuditRecord
from broker.domain.secondlife import Why
from broker.refresh.replay import By
from broker.store import lives
from broker.store.store import Store
from fetchtoken.domain.errors import LoginRequired, Unavailable
from fetchtoken.oauth.outcome import Answer
from tests.unit.refresh.conftest import World
from tests.unit.refresh.test_recovery import armed, restarted, write
from tests.unit.refresh.test_scheduler import running, stop, until_generation

ACTION = AuditRecord(0, Action.ACCOUNT_DISABLED)


async def doubtful(world: World, fault: str = "500", **wishes: object) -> Account:
    """Return an account whose first sending met a fault."""
    account = await world.add("work", **wishes)
    world.issuer.fault(fault)
    await world.coordinator.start(account, reason="forced", now=True)
    row = await world.row()
    assert row.state is State.IN_DOUBT
    world.offset_s += 60  # past its back-off
    return row


async def actions(world: World) -> list[str]:
    """Return what the trail says was done, oldest first."""
    return [record.action for record in await world.store.list_audit(account="work")]


async def test_an_ordered_replay_ends_the_doubt(world: World) -> None:
    """Where the first sending had done nothing, the replay rotates, and its journals are gone."""
    row = await doubtful(world)
    renewed = await world.coordinator.replay(row.id, peer="uid:0")
    assert (renewed.state, renewed.generation, renewed.replay_used) == (State.ACTIVE, 1, False)
    assert len(world.decisions()) == 2
    assert world.decisions()[-1] == "rotated"
    assert world.journals.attempts() == []
    replays = [record for record in await world.store.list_audit() if record.action == Action.ACCOUNT_REPLAY]
    assert [record.peer for record in replays] == ["uid:0"]


async def test_a_refused_replay_is_our_own_loss(world: World) -> None:
    """Where the first sending had rotated, the login is lost, by us, and nobody else is suspected."""
    row = await doubtful(world, "torn")
    with pytest.raises(LoginRequired, match="lost by us"):
        await world.coordinator.replay(row.id, peer="")
    row = await world.row()
    assert (row.state, row.last_error) == (State.LOGIN_REQUIRED, "lost_in_replay: refresh_token_reused")
    assert Action.ACCOUNT_LOST in await actions(world)
    assert Action.ACCOUNT_OTHER_HOLDER not in await actions(world)


@pytest.mark.parametrize("fault", ["503", "429", "403-page"])
async def test_a_replay_that_decided_nothing_stays_unused(world: World, fault: str) -> None:
    """A complete no for now leaves the doubt as it was, and the next order succeeds."""
    row = await doubtful(world)
    world.issuer.fault(fault)
    with pytest.raises(Unavailable, match="still unused"):
        await world.coordinator.replay(row.id, peer="")
    after = await world.row()
    assert (after.state, after.replay_used) == (State.IN_DOUBT, False)
    assert after.not_before_s > world.clock()
    assert (await world.coordinator.replay(row.id, peer="")).generation == 1


async def test_a_replay_without_an_answer_is_used_up(world: World) -> None:
    """Twice in doubt, an account is never sent again: only a login helps."""
    row = await doubtful(world)
    world.issuer.fault("reset")
    with pytest.raises(Unavailable, match="replayed once"):
        await world.coordinator.replay(row.id, peer="")
    after = await world.row()
    assert (after.state, after.replay_used) == (State.IN_DOUBT, True)
    with pytest.raises(Unavailable, match="replayed once"):
        await world.coordinator.replay(row.id, peer="")
    assert len(world.decisions()) == 2


async def test_only_a_doubt_is_replayed(world: World) -> None:
    """An active account is not sent by an order to replay."""
    account = await world.add()
    with pytest.raises(Unavailable):
        await world.coordinator.replay(account.id, peer="")
    assert world.decisions() == []


async def test_the_journal_is_read_once_more_before_a_replay(world: World) -> None:
    """An answer that reached the journal meanwhile is committed, and nothing is sent."""
    account, attempt_id, fd = await armed(world)
    write(world, fd, attempt_id, "sending", {})
    os.close(fd)
    assert (await restarted(world)).state is State.IN_DOUBT
    _, answer = world.issuer.exchange(account.refresh_token.reveal())
    late = os.open(world.journals.path(attempt_id), os.O_RDWR)
    raw = Answer(sent=True, status=200, body=json.dumps(answer).encode(), complete=True)
    write(world, late, attempt_id, "answer", raw.to_json())
    os.close(late)
    renewed = await world.coordinator.replay(account.id, peer="")
    assert renewed.generation == 1
    assert renewed.refresh_token.reveal() == answer["refresh_token"]
    assert world.decisions() == ["rotated"]


async def test_a_refusal_in_the_journal_is_never_sent_past(world: World) -> None:
    """Whoever orders it: the answer to the first sending is known, and a second one brings no other."""
    account, attempt_id, fd = await armed(world)
    write(world, fd, attempt_id, "sending", {})
    assert await restore_all(world.store, account) is State.IN_DOUBT
    raw = Answer(sent=True, status=401, body=b'{"error":"invalid_grant"}', complete=True)
    write(world, fd, attempt_id, "answer", raw.to_json())
    os.close(fd)
    row = await restarted(world)
    with pytest.raises(LoginRequired, match=r"refused by the issuer .* nothing was sent again") as told:
        await world.coordinator.replay(row.id, peer="")
    assert "account login" in told.value.hint
    assert (await world.row()).state is State.IN_DOUBT
    assert world.decisions() == []


async def restore_all(store: Store, account: Account) -> State:
    """Take an account out of renewal in mid-exchange, as after a second life; return its state."""
    (row,) = await lives.restore(store, {account.id}, lives.Cause(why=Why.SLEPT, at=0))
    return row.state


@pytest.mark.parametrize("by", By)
async def test_a_living_exchange_is_never_overtaken(world: World, by: By) -> None:
    """While a process holds the former attempt's journal, no replay begins, whoever wants it."""
    row = await doubtful(world, life_s=3600, age_s=3600)
    held = os.open(world.journals.path(row.attempt_id or ""), os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(Unavailable, match="in flight"):
        await world.coordinator.start_replay(row, by)
    os.close(held)
    assert len(world.decisions()) == 1


@pytest.mark.parametrize("fault", ["500", "reset", "html"])
async def test_an_expired_doubt_is_replayed_by_itself(world: World, fault: str) -> None:
    """With nothing left to lose the scheduler sends once more, and the account recovers without a person."""
    await doubtful(world, fault, life_s=3600, age_s=3600)
    task = await running(world)
    await until_generation(world, "work", 1)
    await stop(task)
    assert len(world.decisions()) == 2


async def test_a_live_doubt_is_left_alone(world: World) -> None:
    """While its access token lives, an account in doubt is not sent by itself."""
    row = await doubtful(world, life_s=100_000, age_s=70_000)
    assert await world.coordinator.start_replay(row, By.ITSELF) == row
    await world.add("other", life_s=100_000, age_s=70_000)
    task = await running(world)
    await until_generation(world, "other", 1)
    await stop(task)
    assert len(world.decisions()) == 2
    assert (await world.row()).state is State.IN_DOUBT


async def restore(world: World, row: Account) -> None:
    """Mark it as behind the home's high-water mark."""
    world.roster.put_account(await world.store.set_flags(row.id, ACTION, restored=True))


async def disable(world: World, row: Account) -> None:
    """Disable it."""
    world.roster.put_account(await world.store.set_flags(row.id, ACTION, disabled=True))


async def lose(world: World, row: Account) -> None:
    """Remove its journal file."""
    world.journals.forget(row.attempt_id or "")


async def damage(world: World, row: Account) -> None:
    """Make its journal file hold an answer that does not open."""
    with open(world.journals.path(row.attempt_id or ""), "r+b") as file:  # noqa: ASYNC230, PTH123 - a test
        file.seek(8192 + 40)
        byte = file.read(1)
        file.seek(8192 + 4)
        payload = b"sealed nobody\n" + byte * 40
        from hashlib import sha256

        file.seek(8192)
        file.write(len(payload).to_bytes(4, "big") + payload + sha256(payload).digest())


async def move(world: World, row: Account) -> None:  # noqa: ARG001 - all take one
    """Let its intent name another volume."""
    world.journals.journal_id = "elsewhere:1"


@pytest.mark.parametrize("spoil", [restore, disable, lose, damage, move])
async def test_what_may_not_be_replayed_by_itself(world: World, spoil: Callable[..., object]) -> None:
    """Restored, disabled, journal gone, unreadable or elsewhere: an expired doubt waits for a person."""
    row = await doubtful(world, life_s=3600, age_s=3600)
    await spoil(world, row)  # type: ignore[misc]
    await world.coordinator.start_replay(world.roster.account("work") or row, By.ITSELF)
    await world.add("other", life_s=100_000, age_s=70_000)
    task = await running(world)
    await until_generation(world, "other", 1)
    await stop(task)
    assert (await world.row()).state is State.IN_DOUBT
    assert len(world.decisions()) == 2


async def test_an_operator_may_replay_a_restored_account(world: World) -> None:
    """What never happens by itself is a person's to decide."""
    row = await doubtful(world)
    await restore(world, row)
    assert (await world.coordinator.replay(row.id, peer="")).generation == 1


async def test_a_restored_account_is_not_refreshed_by_itself(world: World) -> None:
    """It serves what is live and waits; an order to refresh is obeyed."""
    account = await world.add(life_s=100_000, age_s=70_000)
    await restore(world, account)
    with pytest.raises(Unavailable, match="backup"):
        await world.coordinator.refresh(account.id, force=False)
    await world.add("other", life_s=100_000, age_s=70_000)
    task = await running(world)
    await until_generation(world, "other", 1)
    await stop(task)
    assert (await world.row()).generation == 0
    assert (await world.coordinator.refresh(account.id, force=True)).restored is False


async def test_an_order_to_refresh_a_restored_account_that_failed_says_why(world: World) -> None:
    """What the issuer said, and that only another order tries again; not once more whose copy it is."""
    account = await world.add()
    await restore(world, account)
    world.issuer.fault("503")
    with pytest.raises(Unavailable, match="http_503") as told:
        await world.coordinator.refresh(account.id, force=True)
    assert told.value.hint == "try again later: codex-broker account refresh work --force"
    assert (await world.row()).restored
    assert (await world.coordinator.refresh(account.id, force=True)).generation == 1


async def replaying(world: World) -> tuple[Account, str, int]:
    """Bring a replay to the point where its exchange process would start."""
    row = await doubtful(world)
    attempt_id = "b" * 32
    fd = world.journals.begin(attempt_id, row).fd
    again = await world.store.arm(
        row,
        to=State.REPLAYING,
        attempt_id=attempt_id,
        journal_id=world.journals.journal_id,
        lease_s=90,
        audit=AuditRecord(0, Action.ACCOUNT_REPLAY),
    )
    assert again is not None
    return again, attempt_id, fd


async def test_a_kill_before_the_replay_was_sent_leaves_it_unused(world: World) -> None:
    """The journal proves that nothing left, so the one replay is still there."""
    _, _, fd = await replaying(world)
    os.close(fd)
    row = await restarted(world)
    assert (row.state, row.replay_used) == (State.IN_DOUBT, False)
    assert (await world.coordinator.replay(row.id, peer="")).generation == 1


async def test_a_kill_after_the_replay_was_sent_uses_it_up(world: World) -> None:
    """Nobody knows what became of it, so it is not sent a third time."""
    _, attempt_id, fd = await replaying(world)
    write(world, fd, attempt_id, "sending", {})
    os.close(fd)
    row = await restarted(world)
    assert (row.state, row.replay_used) == (State.IN_DOUBT, True)


async def test_five_orders_send_once(world: World) -> None:
    """Single flight holds for replays: the issuer sees one."""
    row = await doubtful(world)
    world.issuer.fault("hold")
    orders = [asyncio.create_task(world.coordinator.replay(row.id, peer="")) for _ in range(5)]
    await asyncio.to_thread(world.issuer.until_held)
    world.issuer.release()
    done = await asyncio.gather(*orders, return_exceptions=True)
    assert [one.generation for one in done if isinstance(one, Account)] == [1]
    assert len(world.decisions()) == 2
