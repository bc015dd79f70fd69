"""The master key changes while attempts are under way: each keeps the key that its file names."""

import asyncio
import os
from pathlib import Path

import pytest

from broker.domain.account import State
from broker.refresh.journals import spare_of
from fetchtoken.oauth.journal import JournalKey, Phase, append, key_ids, remove
from tests.unit.refresh.conftest import World
from tests.unit.refresh.test_recovery import armed, restarted, write
from tests.unit.refresh.test_second_file import second_file


def turn(world: World) -> str:
    """Make another key current; return the former one's id."""
    former = world.keys.current
    world.keys.take(world.keys.and_new(os.urandom, 0.0))
    return former


async def test_an_attempt_keeps_the_key_that_it_began_with(world: World, monkeypatch) -> None:
    """Changed between file and process, the key of all records is the first one's, which the file names."""
    account = await world.add()
    former, arm = world.keys.current, world.store.arm

    async def arm_and_turn(*values, **named):
        done = await arm(*values, **named)
        turn(world)
        return done

    monkeypatch.setattr(world.store, "arm", arm_and_turn)
    world.issuer.fault("hold")
    flight = world.coordinator.start(account, reason="scheduled")
    await asyncio.to_thread(world.issuer.until_held)
    (attempt_id,) = world.journals.attempts()
    assert key_ids(world.journals.path(attempt_id)) == {former}
    assert world.journals.attempts_by_key() == {former: [attempt_id]}
    world.issuer.release()
    settled = await flight
    assert (settled.state, settled.generation) == (State.ACTIVE, 1)
    assert world.journals.attempts_by_key() == {}


async def test_an_answer_under_a_former_key_is_committed(world: World) -> None:
    """Written before the change and read after it: the former key opens it for as long as it is there."""
    account, attempt_id, fd = await armed(world)
    write(world, fd, attempt_id, "sending", {})
    os.close(fd)
    second_file(world, account, attempt_id, answered=True)
    turn(world)
    row = await restarted(world)
    assert (row.state, row.generation) == (State.ACTIVE, 1)


async def test_a_key_is_named_by_either_place(world: World) -> None:
    """The second place of an answer counts as the first does, also where the first file is gone."""
    account, attempt_id, fd = await armed(world)
    os.close(fd)
    former = turn(world)
    second_file(world, account, attempt_id, answered=False)
    assert world.journals.attempts_by_key() == {
        former: [attempt_id],
        world.keys.current: [attempt_id],
    }
    remove(world.journals.path(attempt_id))
    assert world.journals.attempts_by_key() == {world.keys.current: [attempt_id]}
    remove(spare_of(world.journals.path(attempt_id)))
    assert world.journals.attempts_by_key() == {}


@pytest.mark.parametrize("kind", ["sending", "answer"])
async def test_a_torn_record_names_its_key_too(world: World, kind: str) -> None:
    """A record that a crash cut short may be all there is: its head is enough to keep its key."""
    _, attempt_id, fd = await armed(world)
    other = JournalKey("0badcafe", bytes(32))
    path = Path(world.journals.path(attempt_id))
    append(fd, kind, {"x": 1}, attempt=path.name, key=other)
    os.pwrite(fd, b"\0", {"sending": 4096, "answer": 8192}[kind] + 60)
    os.close(fd)
    assert key_ids(str(path)) == {world.keys.current, "0badcafe"}
    assert world.journals.look(attempt_id).phase is not Phase.ANSWERED


def test_a_plain_file_and_a_missing_one_name_no_key(tmp_path: Path) -> None:
    """The local source seals nothing, and what is gone needs nothing."""
    assert key_ids(str(tmp_path / "gone")) == frozenset()
    (tmp_path / "plain").write_bytes(bytes(65536))
    assert key_ids(str(tmp_path / "plain")) == frozenset()
