"""Marks on an account's way: durable before it is sent, and after each settlement."""

import os

import pytest

from broker.domain.account import State
from broker.domain.secondlife import mark_of
from broker.refresh.highwater import HighWater
from broker.refresh.vigil import Vigil
from fetchtoken.domain.errors import Unavailable
from tests.support.records import RECORD
from tests.unit.refresh.conftest import World


def on_disk(world: World) -> HighWater:
    """Return what another start would read."""
    marks = HighWater(str(world.directory / "high-water"), world.store.store_id)
    marks.read()
    return marks


def full(*_values):
    raise OSError(28, "No space left on device")


async def test_a_rotation_leaves_its_mark(world):
    """The mark on the disk is that of the row as it was committed."""
    account = await world.add()
    await world.coordinator.refresh(account.id, force=True)
    row = await world.row()
    assert on_disk(world).marks[row.login_id] == mark_of(row)


async def test_the_mark_is_durable_before_anything_is_sent(world, monkeypatch):
    """While the request is on its way, the disk knows that this generation is being sent."""
    account = await world.add()
    seen = []

    def started(*_values, **_named):
        seen.append(on_disk(world).marks[account.login_id])
        raise OSError(8, "no process")

    monkeypatch.setattr("broker.refresh.process.subprocess.Popen", started)
    with pytest.raises(Unavailable):
        await world.coordinator.refresh(account.id, force=True)
    assert seen[0].generation == 0
    assert seen[0].revision > account.revision


@pytest.mark.parametrize("when", ["before the intent", "after it"])
async def test_without_a_mark_nothing_is_sent(world, monkeypatch, when):
    """The account is active again, nothing reached the issuer, and with room on the disk all goes on."""
    account = await world.add()
    await world.marks.begin([account], account.revision)
    with monkeypatch.context() as patch:
        patch.setattr("broker.refresh.highwater.os.fdatasync", full)
        patch.setattr("broker.refresh.highwater.replace_file", full)
        if when == "before the intent":
            await world.marks.keep(await world.store.set_flags(account.id, RECORD, disabled=False))
            await world.load()
        with pytest.raises(Unavailable, match="high-water mark cannot be written: No space left") as raised:
            await world.coordinator.refresh(account.id, force=True)
    assert raised.value.hint == "codex-broker check"
    row = await world.row()
    assert (row.state, row.generation) == (State.ACTIVE, 0)
    assert row.last_error == ("" if when == "before the intent" else "no_high_water")
    assert world.issuer.exchanges() == []
    assert world.journals.attempts() == []
    await world.coordinator.refresh(account.id, force=True)
    assert world.decisions() == ["rotated"]


async def test_an_answer_is_kept_whatever_becomes_of_its_mark(world, monkeypatch):
    """Once sent, the answer is committed and served although the disk takes no mark any more."""
    account = await world.add()
    await world.marks.begin([account], account.revision)
    left = iter([os.fdatasync])

    def once(fd):
        next(left, full)(fd)

    monkeypatch.setattr("broker.refresh.highwater.os.fdatasync", once)
    monkeypatch.setattr("broker.refresh.highwater.replace_file", full)
    assert (await world.coordinator.refresh(account.id, force=True)).generation == 1
    assert world.marks.error == "No space left on device"
    monkeypatch.undo()
    await world.marks.mend()
    row = await world.row()
    assert on_disk(world).marks[row.login_id] == mark_of(row)


async def test_nothing_is_sent_before_somebody_has_looked_after_a_sleep(world):
    """A machine that wakes up after days first has to find out what it is."""
    account = await world.add()
    now_s = [0.0]
    vigil = Vigil(3600, lambda: now_s[0])
    object.__setattr__(world.shop, "vigil", vigil)
    now_s[0] = 3601.0
    with pytest.raises(Unavailable, match="slept"):
        await world.coordinator.refresh(account.id, force=True)
    assert world.issuer.exchanges() == []
    vigil.saw()
    await world.coordinator.refresh(account.id, force=True)
    assert world.decisions() == ["rotated"]
