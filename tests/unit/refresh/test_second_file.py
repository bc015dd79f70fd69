"""The second place of an answer, in the home itself: found, judged and forgotten like the first."""

import json
import os
from pathlib import Path

import pytest

from broker.domain.account import State
from broker.domain.records import Account
from broker.refresh.journals import intent_record, spare_of
from fetchtoken.oauth.journal import Phase, create, remove
from fetchtoken.oauth.outcome import Answer
from tests.unit.refresh.conftest import World
from tests.unit.refresh.test_recovery import armed, restarted, write


def second_file(world: World, account: Account, attempt_id: str, *, answered: bool) -> Path:
    """Make the second file of an attempt whose first one took no answer; it may not have got far."""
    path = Path(spare_of(world.journals.path(attempt_id)))
    fd = create(str(path), intent_record(attempt_id, account), world.journal_key)
    if answered:
        status, body = world.issuer.exchange(world.logins["work"].refresh_token)
        answer = Answer(sent=True, status=status, body=json.dumps(body).encode(), complete=True)
        write(world, fd, attempt_id, "answer", answer.to_json())
    os.close(fd)
    return path


async def test_an_answer_in_the_second_file_is_committed(world: World) -> None:
    """The next start finds it where the first file only says that something was sent."""
    account, attempt_id, fd = await armed(world)
    write(world, fd, attempt_id, "sending", {})
    os.close(fd)
    path = second_file(world, account, attempt_id, answered=True)
    row = await restarted(world)
    assert (row.state, row.generation) == (State.ACTIVE, 1)
    assert world.journals.attempts() == []
    assert not path.exists()


@pytest.mark.parametrize("first", ["sent", "gone"])
async def test_a_second_file_without_an_answer_proves_nothing(world: World, first: str) -> None:
    """It never makes an attempt look unsent: the doubt of the first file stands."""
    account, attempt_id, fd = await armed(world)
    write(world, fd, attempt_id, "sending", {})
    os.close(fd)
    second_file(world, account, attempt_id, answered=False)
    if first == "gone":
        remove(world.journals.path(attempt_id))
    assert (await restarted(world)).state is State.IN_DOUBT


async def test_a_second_file_that_nobody_waits_for_is_swept(world: World) -> None:
    """What its process left after the parent had committed brings no orphan and does not stay."""
    account, attempt_id, fd = await armed(world)
    write(world, fd, attempt_id, "sending", {})
    os.close(fd)
    path = second_file(world, account, attempt_id, answered=True)
    kept = path.read_bytes()
    assert (await restarted(world)).generation == 1
    path.write_bytes(kept)
    assert world.journals.look(attempt_id).phase is Phase.ANSWERED
    row = await restarted(world)
    assert (row.state, row.generation) == (State.ACTIVE, 1)
    assert world.journals.attempts() == []
