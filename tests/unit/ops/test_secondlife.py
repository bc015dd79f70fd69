"""What a start makes of a home's memory of itself, and what a running daemon makes of a sleep."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from broker.domain.account import State
from broker.domain.audit import Action
from broker.domain.roster import Roster
from broker.domain.secondlife import Why
from broker.ops.home import Home
from broker.ops.marker import make_marker
from broker.ops.secondlife import SecondLife
from broker.refresh.highwater import HighWater
from broker.refresh.vigil import Vigil
from broker.store.lives import homes
from broker.store.store import Store
from tests.support.records import NOW, RECORD, a_login, new_seal, store_url

HOUR_S = 3600.0


@dataclass
class Place:
    """A home with a store in it, and a machine's clock."""

    home: Home
    seal: object
    now_s: float = NOW
    stores: list[Store] = field(default_factory=list)

    async def start(self, *names: str) -> "Place":
        """Open as a daemon does, with one account of each name."""
        store = await Store.open(store_url(self.home.path), self.seal, now=lambda: NOW)
        self.stores.append(store)
        self.store = store
        for name in names:
            await store.add_account(name, a_login(name, account_id=name, user_id=name), RECORD)
        self.roster = Roster()
        self.roster.apply(await store.snapshot())
        self.marks = HighWater(str(self.home.high_water), store.store_id)
        self.vigil = Vigil(72 * HOUR_S, lambda: self.now_s)
        self.life = SecondLife(
            self.home, store, self.roster, self.marks, self.vigil, clock=lambda: self.now_s
        )
        await self.life.begin()
        return self

    async def stop(self) -> None:
        self.marks.close()
        await self.store.close()

    def restored(self) -> dict[str, str]:
        """Return why, by name."""
        return {account.name: account.last_error for account in self.roster.accounts() if account.restored}


@pytest.fixture
async def place(tmp_path):
    home = Home(tmp_path / "home")
    home.make()
    made = Place(home, new_seal())
    yield made
    for store in made.stores:
        await store.close()


def put_back(kept: Path, database: Path) -> None:
    """Put a copy of the database file in place of the one that was at work since."""
    database.unlink()
    shutil.copy(kept, database)


async def test_a_new_home_names_itself_in_its_store(place):
    """Nothing is to be noticed; started again, neither."""
    await (await place.start("a", "b")).stop()
    with capture_logs() as log:
        await place.start()
    assert (place.restored(), log, place.life.error) == ({}, [], "")
    assert len(await homes(place.store)) == 1


async def test_a_copy_takes_every_account_out_once(place, tmp_path):
    """The record says why; started again, the copy is a home of its own."""
    await (await place.start("a", "b")).stop()
    copy = tmp_path / "copy"
    shutil.copytree(place.home.path, copy)
    copied = Place(Home(copy), place.seal)
    await copied.start()
    assert copied.restored() == dict.fromkeys("ab", f"{Why.COPIED}: {copy}")
    trail = await copied.store.list_audit()
    told = [record for record in trail if record.action == Action.ACCOUNT_RESTORED]
    assert {(record.account, record.outcome, record.detail) for record in told} == {
        ("a", "home_copied", str(copy)),
        ("b", "home_copied", str(copy)),
    }
    await copied.stop()
    with capture_logs() as log:
        await copied.start()
    assert log == []
    assert await homes(copied.store) != await homes((await place.start()).store)
    assert place.restored() == {}
    await copied.stop()


@pytest.mark.parametrize("step", ["make_marker", "settle_in"])
async def test_a_copy_killed_while_it_looks_looks_again(place, tmp_path, step, monkeypatch):
    """Whatever was not written down before the kill, no account slips through."""
    await (await place.start("a")).stop()
    copy = tmp_path / "copy"
    shutil.copytree(place.home.path, copy)
    copied = Place(Home(copy), place.seal)

    def killed(*_values):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(f"broker.ops.secondlife.{step}", killed)
        with pytest.raises(KeyboardInterrupt):
            await copied.start()
    await copied.stop()
    await copied.start()
    assert set(copied.restored()) == {"a"}
    await copied.stop()
    with capture_logs() as log:
        await copied.start()
    assert log == []
    await copied.stop()


async def test_a_home_that_lost_its_marker_looks_like_another(place):
    """The store names a home, and nothing says that it is this one."""
    await (await place.start("a")).stop()
    (place.home.path / "home.id").unlink()
    await place.start()
    assert place.restored() == {"a": f"{Why.OTHER_HOME}: {place.home.path}"}


async def test_a_marker_that_the_disk_does_not_give_back_is_not_lost(place):
    """Nothing is judged and nothing sent; once it can be read again, all is as it was."""
    await (await place.start("a")).stop()
    marker, away = place.home.path / "home.id", place.home.path / "away"
    marker.rename(away)
    marker.mkdir()
    await place.start()
    assert place.restored() == {}
    assert place.life.error == "home.id cannot be read: Is a directory"
    with pytest.raises(OSError, match=r"home\.id cannot be read"):
        await place.marks.mend()
    await place.stop()
    marker.rmdir()
    away.rename(marker)
    await place.start()
    assert (place.restored(), place.life.error) == ({}, "")


async def test_a_new_marker_alone_is_another_home(place):
    """A store goes by the home's own name, not by its path."""
    await (await place.start("a")).stop()
    make_marker(place.home.path)
    await place.start()
    assert place.restored() == {"a": f"{Why.OTHER_HOME}: {place.home.path}"}


async def test_a_machine_that_slept_too_long_looks_before_it_sends(place):
    """Until it has, nothing is sent; then every account waits for a person, whatever its age."""
    await place.start("a", "b")
    place.now_s += 73 * HOUR_S
    assert place.vigil.slept()
    await place.life.look()
    assert not place.vigil.slept()
    assert place.restored() == dict.fromkeys("ab", f"{Why.SLEPT}: 2025-11-24T16:00:00Z")


@pytest.mark.parametrize("hours", [1, 60, 72])
async def test_an_hour_or_a_weekend_is_no_absence(place, hours):
    """Off or asleep for so long, the broker goes on by itself."""
    await place.start("a")
    place.now_s += hours * HOUR_S
    await place.life.look()
    await place.stop()
    place.now_s += hours * HOUR_S
    await place.start()
    assert place.restored() == {}


async def test_a_clock_that_went_back_and_on_again_is_no_sleep(place):
    """A machine without a battery starts years back until it has asked for the time."""
    await (await place.start("a")).stop()
    place.now_s -= 10 * 365 * 24 * HOUR_S
    await place.start()
    await place.life.look()
    place.now_s += 10 * 365 * 24 * HOUR_S + HOUR_S
    await place.life.look()
    assert place.restored() == {}


async def test_an_attempt_under_way_is_in_doubt(place):
    """What a copy finds armed may have been sent and answered elsewhere."""
    await place.start("a")
    account = place.roster.account("a")
    await place.store.arm(
        account, to=State.REFRESHING, attempt_id="x", journal_id="here:1", lease_s=90, audit=RECORD
    )
    await place.stop()
    place.now_s += 73 * HOUR_S
    await place.start()
    row = place.roster.account("a")
    assert (row.state, row.restored, row.attempt_id, row.lease_until) == (State.IN_DOUBT, True, "x", None)


async def test_what_cannot_be_written_is_told_and_tried_again(place, monkeypatch):
    """A home on a full disk serves, says so, and is well when there is room."""

    def full(*_values):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, capture_logs() as log:
        patch.setattr("broker.ops.secondlife.make_marker", full)
        patch.setattr("broker.ops.secondlife.see", full)
        patch.setattr("broker.refresh.highwater.replace_file", full)
        await place.start("a")
    assert place.life.error == "No space left on device"
    assert {line["event"] for line in log} == {"high_water_not_written", "home_not_marked"}
    assert place.restored() == {}
    place.now_s += HOUR_S
    await place.life.look()
    await place.life.mend()
    assert place.life.error == ""
    await place.stop()
    await place.start()
    assert (place.restored(), len(await homes(place.store))) == ({}, 1)


async def test_a_store_put_back_is_raised_above_what_it_was(place, tmp_path):
    """No later revision is taken for one that it had before; clients are said to be older as well."""
    await (await place.start("a")).stop()
    kept = tmp_path / "kept.db"
    shutil.copy(place.home.database, kept)
    await place.start()
    for _ in range(5):
        await place.store.set_flags(place.roster.account("a").id, RECORD, disabled=True)
    place.roster.apply(await place.store.snapshot())
    await place.marks.note(*place.roster.accounts())
    top = place.marks.top
    await place.stop()
    put_back(kept, place.home.database)
    with capture_logs() as log:
        await place.start()
    assert place.restored() == {"a": Why.PUT_BACK}
    assert place.roster.account("a").revision > top
    assert log[0]["event"] == "store_put_back"
    await place.stop()
    with capture_logs() as log:
        await place.start()
    assert log == []


async def test_a_login_that_had_left_comes_back_restored(place, tmp_path):
    """An account that was removed, found again in an older store, is not exchanged."""
    await (await place.start("a", "b")).stop()
    kept = tmp_path / "kept.db"
    shutil.copy(place.home.database, kept)
    await place.start()
    gone = place.roster.account("b")
    await place.store.remove_account(gone.id, RECORD)
    await place.marks.gone(gone)
    await place.stop()
    put_back(kept, place.home.database)
    await place.start()
    assert place.restored() == {"b": Why.PUT_BACK}
