"""What a crash leaves, and what the next start makes of it."""

import asyncio
import json
import os
import shutil
import signal
from pathlib import Path

from sqlalchemy import text

from broker.domain.account import Event, State
from broker.domain.audit import Action
from broker.domain.records import Account, AuditRecord
from fetchtoken.oauth.journal import append
from fetchtoken.oauth.outcome import Answer
from tests.unit.refresh.conftest import World


async def armed(world: World, *, lease_s: float = 90) -> tuple[Account, str, int]:
    """Bring an account to the point where the exchange process would start."""
    account = await world.add()
    attempt_id = "a" * 32
    fd = world.journals.begin(attempt_id, account).fd
    row = await world.store.arm(
        account,
        to=State.REFRESHING,
        attempt_id=attempt_id,
        journal_id=world.journals.journal_id,
        lease_s=lease_s,
        audit=AuditRecord(0, Action.ACCOUNT_ATTEMPT),
    )
    assert row is not None
    return row, attempt_id, fd


def write(world: World, fd: int, attempt_id: str, kind: str, value: dict[str, object]) -> None:
    """Append a record as the exchange process does."""
    name = Path(world.journals.path(attempt_id)).name
    append(fd, kind, value, attempt=name, key=world.journal_key)


async def restarted(world: World) -> Account:
    """Start again and look at the journal once."""
    world.restart()
    await world.load()
    await world.recovery.sweep()
    await world.recovery.look()
    return await world.row()


async def test_a_daemon_killed_before_anything_was_sent_is_active_again(world: World) -> None:
    """A journal without a ``sending`` record proves that the refresh token is unspent."""
    _, _, fd = await armed(world)
    os.close(fd)
    row = await restarted(world)
    assert (row.state, row.last_error) == (State.ACTIVE, "not_sent")
    assert world.journals.attempts() == []


async def test_a_process_killed_after_sending_leaves_a_doubt(world: World) -> None:
    """A journal with ``sending`` and no answer, held by nobody, is in doubt and stays on disk."""
    _, attempt_id, fd = await armed(world)
    write(world, fd, attempt_id, "sending", {})
    os.close(fd)
    row = await restarted(world)
    assert row.state is State.IN_DOUBT
    assert world.journals.attempts() == [attempt_id]


async def test_a_lost_journal_is_a_doubt(world: World) -> None:
    """Where the file is gone nobody can know what was sent."""
    _, attempt_id, fd = await armed(world)
    os.close(fd)
    world.journals.forget(attempt_id)
    assert (await restarted(world)).state is State.IN_DOUBT


async def test_another_volumes_journal_is_a_doubt(world: World) -> None:
    """An intent that names a journal elsewhere is not judged by the files here."""
    _, _, fd = await armed(world, lease_s=0)
    os.close(fd)
    (world.directory / "journal" / "id").write_text("elsewhere:1")
    assert (await restarted(world)).state is State.IN_DOUBT


async def test_another_volumes_journal_is_its_owners_until_the_lease_ends(world: World) -> None:
    """Who cannot read a journal takes nothing over before the lease ends by the database's clock."""
    _, _, fd = await armed(world, lease_s=90)
    os.close(fd)
    (world.directory / "journal" / "id").write_text("elsewhere:1")
    assert (await restarted(world)).state is State.REFRESHING


async def test_a_held_journal_is_waited_for(world: World) -> None:
    """While an exchange process lives, the row stays as it is."""
    _, _, fd = await armed(world)
    assert (await restarted(world)).state is State.REFRESHING
    os.close(fd)
    await world.recovery.look()
    assert (await world.row()).state is State.ACTIVE


async def test_a_journalled_answer_is_committed(world: World) -> None:
    """An answer that reached the disk before the kill is the account's next generation."""
    account, attempt_id, fd = await armed(world)
    write(world, fd, attempt_id, "sending", {})
    status, answer = world.issuer.exchange(account.refresh_token.reveal())
    assert status == 200
    raw = Answer(sent=True, status=200, body=json.dumps(answer).encode(), complete=True)
    write(world, fd, attempt_id, "answer", raw.to_json())
    os.close(fd)
    row = await restarted(world)
    assert (row.state, row.generation) == (State.ACTIVE, 1)
    assert row.refresh_token.reveal() == answer["refresh_token"]
    assert world.journals.attempts() == []


async def test_an_answer_that_comes_after_the_doubt_ends_it(world: World) -> None:
    """The journal is looked at again while an account is in doubt."""
    account, attempt_id, fd = await armed(world)
    write(world, fd, attempt_id, "sending", {})
    position = os.lseek(fd, 0, os.SEEK_CUR)
    os.close(fd)
    assert (await restarted(world)).state is State.IN_DOUBT
    _, answer = world.issuer.exchange(account.refresh_token.reveal())
    late = os.open(world.journals.path(attempt_id), os.O_RDWR)
    os.lseek(late, position, os.SEEK_SET)
    raw = Answer(sent=True, status=200, body=json.dumps(answer).encode(), complete=True)
    write(world, late, attempt_id, "answer", raw.to_json())
    os.close(late)
    await world.recovery.look()
    assert (await world.row()).generation == 1


async def answered(world: World, **left_out: None) -> tuple[Account, str, dict[str, object]]:
    """Bring an account to where its answer is in the journal and in no row."""
    account, attempt_id, fd = await armed(world)
    write(world, fd, attempt_id, "sending", {})
    _, answer = world.issuer.exchange(account.refresh_token.reveal())
    kept = {key: value for key, value in answer.items() if key not in left_out}
    raw = Answer(sent=True, status=200, body=json.dumps(kept).encode(), complete=True)
    write(world, fd, attempt_id, "answer", raw.to_json())
    os.close(fd)
    return account, attempt_id, answer


async def test_the_answer_of_a_removed_account_is_kept_sealed(world: World) -> None:
    """A seen token answer is never dropped, even where its account went meanwhile."""
    account, _, _ = await answered(world)
    await world.store.remove_account(account.id, AuditRecord(0, Action.ACCOUNT_REMOVED))
    world.restart()
    await world.load()
    await world.recovery.sweep()
    (late,) = await world.store.late_answers()
    assert (late.account, late.generation) == (account.id, 0)
    assert world.journals.attempts() == []


async def test_an_answer_whose_intent_is_damaged_is_left_alone(world: World) -> None:
    """Nobody knows whose it is, so its file stays; a copy that somebody made beside it disturbs nothing."""
    account, attempt_id, _ = await answered(world)
    path = Path(world.journals.path(attempt_id))
    shutil.copy(path, path.with_name("of yesterday.journal"))
    with path.open("r+b") as file:  # noqa: ASYNC230 - a test
        file.seek(60)
        file.write(b"damaged")
    await world.store.remove_account(account.id, AuditRecord(0, Action.ACCOUNT_REMOVED))
    world.restart()
    await world.load()
    await world.recovery.sweep()
    assert world.journals.attempts() == [attempt_id]


async def test_a_left_over_refresh_token_that_came_alone_is_kept(world: World) -> None:
    """It is the login, though its answer counts as none: it is not dropped with its file."""
    account, attempt_id, answer = await answered(world, access_token=None)
    await world.store.settle(
        account,
        attempt_id,
        Event.NOT_SENT,
        failures=1,
        last_error="",
        audit=AuditRecord(0, "account.settled"),
    )
    await restarted(world)
    (late,) = await world.store.late_answers()
    assert late.generation == 0
    assert answer["refresh_token"]
    assert world.journals.attempts() == []


async def test_a_row_that_takes_no_answer_holds_nobody_back(world: World) -> None:
    """Where its old tokens are needed and do not open, the start goes on, and its answer stays on disk."""
    account, attempt_id, _ = await answered(world, id_token=None)
    async with world.store.database.write() as connection:
        await connection.execute(text("UPDATE accounts SET id_box = x'00'"))
    row = await asyncio.wait_for(restarted(world), 20)
    assert (row.state, row.generation, row.sealed) == (State.REFRESHING, account.generation, True)
    assert world.journals.attempts() == [attempt_id]


async def test_a_file_whose_rotation_was_committed_is_swept(world: World) -> None:
    """A kill between commit and unlink leaves a file that changes nothing."""
    account = await world.add()
    world.issuer.fault("hold")
    flight = world.coordinator.start(account, reason="forced", now=True)
    await asyncio.to_thread(world.issuer.until_held)
    attempt = world.journals.attempts()[0]
    copy = world.directory / "copy"
    world.issuer.release()
    os.link(world.journals.path(attempt), copy)
    await flight
    copy.rename(world.journals.path(attempt))
    row = await restarted(world)
    assert (row.state, row.generation) == (State.ACTIVE, 1)
    assert world.journals.attempts() == []
    assert len(world.decisions()) == 1


async def test_a_killed_exchange_process_is_a_doubt_at_once(world: World) -> None:
    """SIGKILL of the process after it sent: the flight itself finds the doubt, and nothing is re-sent."""
    account = await world.add()
    world.issuer.fault("hold")
    flight = world.coordinator.start(account, reason="forced", now=True)
    await asyncio.to_thread(world.issuer.until_held)
    for pid in exchange_pids():
        os.kill(pid, signal.SIGKILL)
    row = await flight
    world.issuer.release()
    assert row.state is State.IN_DOUBT
    assert len(world.decisions()) == 1


def exchange_pids() -> list[int]:
    """Return the exchange processes that this test process started."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if b"fetchtoken.oauth.exchange" in words and parent == os.getpid():
            found.append(int(entry.name))
    return found
