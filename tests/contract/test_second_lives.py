"""A second life of a home next to the running original: the original keeps working, and people are told.

The strict issuer's log is the judge: it ends a login whose refresh token is used a second time.
"""

import json
from dataclasses import dataclass

import pytest

from fetchtoken.domain.errors import FetchTokenError, LoginRequired
from tests.support.daemon import Daemon
from tests.support.issuer import Issuer, Login, issuer
from tests.support.lives import (
    WEEK_S,
    as_an_image,
    copy_home,
    forget_lives,
    plain,
    put_back,
    seen_ago,
    set_aside,
)
from tests.support.programs import Machine
from tests.support.wait import until_sync

__all__ = ["issuer"]

DUE = {"CODEX_BROKER_CLOCK_OFFSET": str(WEEK_S)}
"""A week on, the ten-day token is due, and served for three more days."""

DAY_S = 86_400

SAFE = (
    "its access token is served until TIME; nothing is sent, so whoever else uses its login is not disturbed"
)
REMEDY = (
    "if nothing has used its login since: codex-broker account refresh work --force;"
    " else log in again: codex-broker account login work"
)
SLEPT = (
    "lies in a home where nobody was at work since TIME,"
    " as in an old image of a machine whose original went on"
)
RELOGIN = "log in again: codex-broker account login work"
SPENT = (
    "came back with an older store, and this home has exchanged its refresh token since: sent again, the"
    " issuer would end the login"
)
PUT_BACK = "is older in the store than this home has seen it: an old database file was put back"


@dataclass
class Scene:
    """One original, at work, and whatever second life a test makes of it."""

    issuer: Issuer
    original: Daemon
    other: Daemon
    login: Login
    key: str

    def rotate(self) -> None:
        """Let the original exchange; its other life does not hear of it."""
        found = self.original.call("account_refresh", name="work", force=True)
        assert found == [{"account": "work", "outcome": "refreshed"}]

    def decisions(self) -> list[str]:
        return [entry["decision"] for entry in self.issuer.exchanges()]

    def check_untouched(self, *, exchanges: int) -> None:
        """The original goes on: the issuer saw nothing but its own exchanges, and takes the next one."""
        assert self.decisions() == ["rotated"] * exchanges
        self.rotate()
        assert self.decisions() == ["rotated"] * (exchanges + 1)
        assert not self.issuer.login(self.login.login_id)["revoked"]


def check_unsendable(scene: Scene, daemon: Daemon) -> None:
    """Not even ``--force`` sends the spent token, and the live one is served on."""
    with pytest.raises(LoginRequired) as refused:
        daemon.call("account_refresh", name="work", force=True)
    assert plain(refused.value.message) == f"work {SPENT}; {SAFE}"
    assert refused.value.hint == RELOGIN
    assert daemon.get("/codex/work", scene.key).status == 200
    assert scene.decisions() == ["rotated"]


@pytest.fixture
def scene(tmp_path, issuer):
    """An original with one account, one client and one rotation behind it."""
    for name in ("original", "other"):
        (tmp_path / name).mkdir()
    original = Daemon(Machine(tmp_path / "original"), issuer.url)
    other = Daemon(Machine(tmp_path / "other"), issuer.url)
    original.start()
    login = issuer.mint(life_s=10 * DAY_S)
    original.hold(login, "work")
    made = Scene(issuer, original, other, login, original.add_client("laptop", "work"))
    yield made
    for daemon in (original, other):
        if daemon.url and daemon.process.poll() is None:
            daemon.kill()


def carry_key(scene: Scene) -> None:
    """Bring the original's master key to its other home."""
    scene.other.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = scene.other.home / "master.key"
    key.touch(mode=0o600)
    key.write_bytes((scene.original.home / "master.key").read_bytes())


def check_told(scene: Scene, daemon: Daemon, problem: str, why: str, todo: str = REMEDY) -> None:
    """The token is served, nothing is sent, and everybody is told the same."""
    before = len(scene.decisions())
    assert daemon.get("/codex/work", scene.key).status == 200
    with pytest.raises(FetchTokenError) as refused:
        daemon.call("account_refresh", name="work")
    assert plain(refused.value.message) == f"work {problem}; {SAFE}"
    assert refused.value.hint == todo
    shown = daemon.call("account_show", name="work")
    assert [plain(shown[key]) for key in ("problem", "safe", "to_do")] == [problem, SAFE, todo]
    with pytest.raises(LoginRequired) as found:
        daemon.call("check_logins")
    assert (plain(found.value.message), found.value.hint) == (f"work {problem}; {SAFE}", todo)
    told = [json.loads(line) for line in daemon.log.splitlines() if '"accounts_restored"' in line]
    assert [(line["why"], line["count"], line["accounts"]) for line in told] == [(why, 1, ["work"])]
    assert len(scene.decisions()) == before, "something was sent"


def test_a_copied_home_next_to_the_original(scene):
    """A copy serves what is live and sends nothing; the original rotates on."""
    copy_home(scene.original, scene.other)
    scene.rotate()
    scene.other.start(**DUE)
    problem = f"lies in a copy of another home ({scene.other.home}), where its login may still be in use"
    check_told(scene, scene.other, problem, "home_copied")
    listed = scene.other.admin("account", "list")
    assert plain(listed.err) == f"work {problem}: codex-broker account show work\n"
    checked = scene.other.admin("check")
    assert checked.code == 3
    assert plain(checked.err) == f"codex-broker: work {problem}; {SAFE}\nhint: {REMEDY}\n"
    scene.check_untouched(exchanges=1)


def test_a_copy_that_was_noticed_is_a_home_of_its_own(scene):
    """Once a person has said that the original is gone, nothing is asked again after a restart."""
    scene.original.stop()
    copy_home(scene.original, scene.other)
    scene.other.start()
    ran = scene.other.admin("account", "refresh", "--all", "--force")
    assert (ran.code, ran.out) == (0, "work: refreshed\n")
    scene.other.stop()
    scene.other.start()
    assert scene.other.admin_json("account", "show", "work")["problem"] is None
    assert scene.other.log.count('"accounts_restored"') == 1
    assert scene.decisions() == ["rotated"]


def test_an_old_image_of_a_machine_next_to_the_original(scene):
    """What lay still for longer than the absence sends nothing, even what is not due yet."""
    copy_home(scene.original, scene.other)
    as_an_image(scene.other.home)
    seen_ago(scene.other.home, 4 * DAY_S)
    scene.rotate()
    scene.other.start(**DUE)
    check_told(scene, scene.other, SLEPT, "home_slept")
    scene.check_untouched(exchanges=1)


def test_a_weekend_is_no_absence(scene):
    """A home that was off for less than the setting says goes on by itself, without a person."""
    scene.original.stop()
    seen_ago(scene.original.home, 2.5 * DAY_S)
    scene.original.start(**DUE)
    scene.issuer.until_logged(1)
    assert scene.decisions() == ["rotated"]
    assert "accounts_restored" not in scene.original.log


def test_a_database_file_put_back(scene, tmp_path):
    """A store that is older than its home sends nothing; the generation is not used again."""
    set_aside(scene.original.home, tmp_path / "kept.db")
    scene.rotate()
    scene.original.stop()
    put_back(scene.original.home, tmp_path / "kept.db")
    scene.original.start(**DUE)
    check_told(scene, scene.original, SPENT, "refresh_token_spent", RELOGIN)
    check_unsendable(scene, scene.original)


def test_a_backup_brought_back_into_its_own_home(scene, tmp_path):
    """The home knows what it has exchanged since, and no order sends it: that would end the login."""
    file = tmp_path / "week.backup"
    assert scene.original.admin("backup", str(file)).code == 0
    scene.rotate()
    scene.original.stop()
    for part in scene.original.home.glob("broker.db*"):
        part.unlink()
    assert scene.original.admin("restore", str(file)).code == 0
    scene.original.start(**DUE)
    check_told(scene, scene.original, SPENT, "refresh_token_spent", RELOGIN)
    check_unsendable(scene, scene.original)
    scene.original.stop()
    scene.original.start(**DUE)
    check_unsendable(scene, scene.original)


def test_a_database_file_put_back_within_one_generation(scene, tmp_path):
    """Even where no rotation is missing: the refresh token was sent once, and nobody knows the outcome."""
    set_aside(scene.original.home, tmp_path / "kept.db")
    scene.issuer.fault("torn")
    with pytest.raises(FetchTokenError):
        scene.original.call("account_refresh", name="work", force=True)
    scene.original.kill()
    put_back(scene.original.home, tmp_path / "kept.db")
    for attempt in (scene.original.home / "journal").glob("*.journal"):
        attempt.unlink()
    scene.original.start(**DUE)
    check_told(scene, scene.original, PUT_BACK, "store_put_back")
    assert len(scene.decisions()) == 1


def test_a_newer_database_after_an_older_one(scene, tmp_path):
    """The newer file, put back after the older one was at work, is not taken for current either."""
    set_aside(scene.original.home, tmp_path / "older.db")
    scene.rotate()
    scene.original.stop()
    set_aside(scene.original.home, tmp_path / "newer.db")
    put_back(scene.original.home, tmp_path / "older.db")
    scene.original.start()
    scene.original.stop()
    put_back(scene.original.home, tmp_path / "newer.db")
    scene.original.start(**DUE)
    with pytest.raises(FetchTokenError, match="an old database file was put back"):
        scene.original.call("account_refresh", name="work")
    assert scene.decisions() == ["rotated"]


def test_a_database_in_another_home(scene):
    """Store and key alone, carried into a fresh home: the usual way to put a backup back by hand."""
    assert scene.other.admin("init").code == 0
    (scene.other.home / "broker.db").unlink()
    set_aside(scene.original.home, scene.other.home / "broker.db")
    (scene.other.home / "broker.db").chmod(0o600)
    carry_key(scene)
    scene.rotate()
    scene.other.start(**DUE)
    problem = "came in a store that belongs to another home, where its login may still be in use"
    check_told(scene, scene.other, problem, "store_of_another_home")
    scene.check_untouched(exchanges=1)


def test_last_weeks_backup_next_to_the_original(scene, tmp_path):
    """A backup, restored while the original goes on, serves what is live and sends nothing."""
    file = tmp_path / "week.backup"
    assert scene.original.admin("backup", str(file)).code == 0
    scene.rotate()
    carry_key(scene)
    restored = scene.other.admin("restore", str(file))
    assert restored.code == 0, restored
    scene.other.start(**DUE)
    problem = "comes from a backup made at TIME: its login may have moved on since"
    with pytest.raises(FetchTokenError) as refused:
        scene.other.call("account_refresh", name="work")
    assert plain(refused.value.message) == f"work {problem}; {SAFE}"
    assert refused.value.hint == REMEDY
    assert scene.other.get("/codex/work", scene.key).status == 200
    checked = scene.other.admin("check")
    assert checked.code == 3
    assert plain(checked.err) == f"codex-broker: work {problem}; {SAFE}\nhint: {REMEDY}\n"
    scene.check_untouched(exchanges=1)


def test_a_home_of_an_older_version_goes_on(scene):
    """Without marks there is nothing to be behind of: the first start writes them."""
    scene.original.stop()
    forget_lives(scene.original.home)
    scene.original.start(**DUE)
    scene.issuer.until_logged(1)
    assert scene.decisions() == ["rotated"]
    assert "accounts_restored" not in scene.original.log


def test_a_kill_leaves_nothing_to_be_told(scene):
    """Restart after restart, with rotations between: rows are never behind their marks."""
    for _ in range(3):
        scene.rotate()
        scene.original.kill()
        scene.original.start()
    assert scene.original.admin_json("account", "show", "work")["problem"] is None
    assert "accounts_restored" not in scene.original.log
    assert scene.decisions() == ["rotated"] * 3


def test_a_mark_that_cannot_be_written_stops_sending_and_nothing_else(scene):
    """Nothing is sent without a durable mark; tokens are served, readyz and check say so."""
    daemon = scene.original
    daemon.stop()
    mark = daemon.home / "high-water"
    mark.unlink()
    mark.mkdir(mode=0o700)
    daemon.start(**DUE)
    assert daemon.get("/codex/work", scene.key).status == 200
    assert daemon.get("/readyz").status == 503
    with pytest.raises(FetchTokenError) as refused:
        daemon.call("account_refresh", name="work")
    assert refused.value.message == (
        "the high-water mark cannot be written: it cannot be read: Is a directory; nothing was sent"
    )
    checked = daemon.admin("check")
    assert checked.code == 8
    assert "the high-water mark or marker cannot be written: it cannot be read: Is a directory" in checked.err
    assert scene.decisions() == []
    daemon.stop()
    mark.rmdir()
    daemon.start(**DUE)
    until_sync(scene.decisions)
    assert scene.decisions() == ["rotated"]


def test_an_old_file_is_not_imported(scene, tmp_path):
    """A copy from before the first rotation is refused by name; the account goes on."""
    scene.rotate()
    old = scene.login.write(tmp_path / "old.json")
    ran = scene.original.admin("account", "import", str(old), "--sole-owner")
    assert ran.code == 2
    assert plain(ran.err) == (
        f"codex-broker: {old} is an old copy: account work exchanged its refresh token at TIME\n"
        f"hint: delete {old}: whoever refreshes with it ends the login\n"
    )
    scene.check_untouched(exchanges=1)


def refusal(daemon: Daemon, *, force: bool) -> FetchTokenError:
    """Return why the account ``shared`` is not refreshed."""
    with pytest.raises(FetchTokenError) as refused:
        daemon.call("account_refresh", name="shared", force=force)
    return refused.value


def test_a_second_tool_on_an_imported_file(scene):
    """The broker looks into the file before it sends, and leaves the login to the one who has it now."""
    machine, daemon = scene.original.machine, scene.original
    login = scene.issuer.mint(life_s=10 * DAY_S)
    machine.auth_file.parent.mkdir()
    login.write(machine.auth_file)
    imported = daemon.admin("account", "import", str(machine.auth_file), "--sole-owner", "--name", "shared")
    assert imported.code == 0, imported
    ran = machine.fetch("refresh", "--force", CODEX_REFRESH_TOKEN_URL_OVERRIDE=scene.issuer.token_url)
    assert ran.code == 0, ran
    daemon.stop()
    daemon.start(**DUE)
    file = machine.auth_file
    until_sync(lambda: daemon.call("account_show", name="shared")["restored"])
    problem = f"has another holder: {file} holds a refresh token of the same user that is not from here"
    until_sync(lambda: "in flight" not in refusal(daemon, force=False).message)
    for force in (False, True):
        refused = refusal(daemon, force=force)
        assert plain(refused.message) == f"shared {problem}; {SAFE}"
        assert refused.hint == f"codex-broker account adopt {file}"
    checked = daemon.admin("check", "--json")
    assert checked.code == 3
    assert [found["hint"] for found in json.loads(checked.out) if not found["ok"]] == [
        f"codex-broker account adopt {file}"
    ]
    again = machine.fetch("refresh", "--force", CODEX_REFRESH_TOKEN_URL_OVERRIDE=scene.issuer.token_url)
    assert again.code == 0, again
    adopted = daemon.admin("account", "adopt", str(file))
    assert adopted.code == 0, adopted
    until_sync(lambda: daemon.call("account_show", name="shared")["generation"] == 1)
    assert {entry["decision"] for entry in scene.issuer.exchanges()} == {"rotated"}
    assert not scene.issuer.login(login.login_id)["revoked"]
