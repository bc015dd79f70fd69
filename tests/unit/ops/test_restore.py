"""Restores: into which homes, from which schemas, and in which states accounts come back."""

import io
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from broker.domain.account import State
from broker.ops.home import Home
from broker.ops.restore import restore
from broker.seal.keyfile import create_keyring, load_keyring
from broker.seal.passphrase import close_ring, stretch
from broker.seal.stream import SealedWriter
from broker.settings import load_settings
from broker.store.migrations import HEAD
from broker.store.restoring import as_restored
from fetchtoken.domain.errors import ConfigError, FetchTokenError, Malformed
from fetchtoken.domain.secret import Secret
from tests.support.broker import Broker
from tests.support.wait import until_sync

PASSPHRASE = Secret("correct horse battery")


@pytest.fixture
def second(tmp_path):
    """A home with a key and nothing else."""
    path = tmp_path / "second"
    path.mkdir(mode=0o700)
    create_keyring(path / "master.key")
    return Home(path)


def bring(home: Home, content: bytes, passphrase: Callable[[], Secret] = lambda: PASSPHRASE):
    return restore(
        home,
        load_settings(home),
        io.BytesIO(content),
        name="FILE",
        config=None,
        peer="uid:0",
        passphrase=passphrase,
    )


def sealed(home: Home, *lines: object, schema: str = HEAD, **more: object) -> bytes:
    """Return a sealed file with these lines inside, under a home's key."""
    ring = load_keyring(home.path / "master.key")
    head = {"key_id": ring.current, "key_ids": [ring.current], "schema": schema, **more}
    file = io.BytesIO()
    writer = SealedWriter(file, head, ring.derive("backup"))
    for line in lines:
        writer.write(json.dumps(line).encode() + b"\n")
    writer.finish()
    return file.getvalue()


def rows(home: Home, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(home.path / "broker.db")) as connection:
        return connection.execute(query).fetchall()


FIRST = (
    {"table": "meta", "columns": ["key", "number", "text", "box"]},
    ["changes", 7, None, None],
    ["store_id", None, "5" * 32, None],
    {
        "table": "accounts",
        "columns": [
            *("id", "name", "account_id", "user_id", "email", "plan_type", "issuer", "client_id"),
            *("login_id", "generation", "state", "disabled", "restored", "adopting", "replay_used"),
            *("source", "source_path", "not_before_s", "failures", "last_error", "refresh_after"),
            *("access_box", "created_at", "updated_at", "revision"),
        ],
    },
    [1, "work", "a", "u", "", "", "https://i", "c", "login", 4, "refreshing", False, False, False, False,
     "import", "", 0, 0, "", 0, {"b": "AAAA"}, 0, 0, 7],
    {
        "table": "audit",
        "columns": ["id", "at", "action", "client", "account", "peer", "request_id", "outcome", "detail"],
    },
    [1, 0.5, "account.added", "", "work", "", "", "ok", ""],
)  # fmt: skip
"""What a program of the first schema would have written."""


def test_an_older_schema_is_migrated(second):
    """A backup of the first version comes in as it was, and is then brought to this one."""
    restored = bring(second, sealed(second, *FIRST, schema="0001"))
    assert restored.accounts == 1
    assert rows(second, "SELECT version_num FROM alembic_version") == [(HEAD,)]
    assert rows(second, "SELECT name, generation, state, restored FROM accounts") == [
        ("work", 4, "in_doubt", 1)
    ]
    assert rows(second, "SELECT account FROM audit WHERE action = 'account.added'") == [("work",)]
    assert rows(second, "SELECT text FROM meta WHERE key = 'store_id'") == [("5" * 32,)]


@pytest.mark.parametrize("schema", ["9999", "", "head"])
def test_a_newer_schema_is_refused(second, schema):
    """Exit 2, told to install what made it; nothing is left behind."""
    with pytest.raises(ConfigError, match="newer than this program"):
        bring(second, sealed(second, schema=schema))
    assert not (second.path / "broker.db").exists()


@pytest.mark.parametrize("line", ["nonsense", 7, {"table": "accounts"}, [1, 2]])
def test_a_file_that_holds_something_else_leaves_nothing(second, line):
    """Sealed by us and still no store: no database stays, and the same home takes a good one."""
    with pytest.raises((Malformed, FetchTokenError)):
        bring(second, sealed(second, *FIRST[:3], line, schema="0001"))
    assert not list(second.path.glob("broker.db*"))
    bring(second, sealed(second, *FIRST, schema="0001"))


def test_a_key_that_came_goes_again_where_the_store_does_not_come(tmp_path, second):
    """A failure after the key file was written takes it back."""
    ring = load_keyring(second.path / "master.key")
    keys = close_ring(ring, stretch(PASSPHRASE))
    third = Home(tmp_path / "third")
    with pytest.raises(Malformed):
        bring(third, sealed(second, "nonsense", keys=keys))
    assert not (third.path / "master.key").exists()
    assert bring(third, sealed(second, *FIRST, schema="0001", keys=keys)).key_came
    assert load_keyring(third.path / "master.key").current == ring.current


@pytest.mark.parametrize("how", ["a link to what is not mounted", "made while the passphrase was typed"])
def test_a_key_file_of_somebody_elses_is_never_taken_away(tmp_path, second, how):
    """Where the key that came has no place, what has that place stays."""
    ring = load_keyring(second.path / "master.key")
    third = Home(tmp_path / "third")
    third.path.mkdir(mode=0o700)
    key_file = third.path / "master.key"

    def typed() -> Secret:
        create_keyring(key_file)
        return PASSPHRASE

    if how.startswith("a link"):
        key_file.symlink_to(tmp_path / "unmounted")
    content = sealed(second, *FIRST, schema="0001", keys=close_ring(ring, stretch(PASSPHRASE)))
    with pytest.raises(ConfigError, match="is not overwritten"):
        bring(third, content, typed if not key_file.is_symlink() else lambda: PASSPHRASE)
    assert key_file.is_symlink() or load_keyring(key_file).current != ring.current
    assert not list(third.path.glob("broker.db*"))


@pytest.mark.parametrize("named", [{}, 7, "\x1b[2J\nhint: rm", "0BADC0DE", "0badc0de0"])
def test_a_head_that_names_no_keys_is_no_backup(second, named):
    """Nothing of the head is true yet: what is no key id is not repeated to a terminal."""
    key_ids = [load_keyring(second.path / "master.key").current, named]
    with pytest.raises(Malformed, match="does not say which keys") as caught:
        bring(second, sealed(second, *FIRST, schema="0001", key_ids=key_ids))
    assert "rm" not in caught.value.message


def test_a_former_key_alone_is_not_enough(second):
    """All missing keys are named, also where the file as a whole would open."""
    key_ids = [load_keyring(second.path / "master.key").current, "0badc0de"]
    content = sealed(second, *FIRST, schema="0001", key_ids=key_ids)
    with pytest.raises(ConfigError, match="needs master key 0badc0de, which is not in") as caught:
        bring(second, content)
    assert "KEYFILE" in caught.value.hint
    assert not list(second.path.glob("broker.db*"))


def test_another_key_in_the_way_of_the_one_inside(second, tmp_path):
    """A backup with its own key does not overwrite the one that is there."""
    first = Home(tmp_path / "first")
    first.path.mkdir(mode=0o700)
    create_keyring(first.path / "master.key")
    keys = close_ring(load_keyring(first.path / "master.key"), stretch(PASSPHRASE))
    with pytest.raises(ConfigError) as caught:
        bring(second, sealed(first, *FIRST, schema="0001", keys=keys))
    assert caught.value.hint.startswith(f"move {second.path}/master.key away")


def test_a_home_in_use_is_refused(second):
    """Whoever holds the home is named by its pid."""
    content = sealed(second, *FIRST, schema="0001")
    with second.try_lock(), pytest.raises(ConfigError, match="is at work on"):
        bring(second, content)


def test_what_a_lost_database_left_is_not_touched(second):
    """A write-ahead log without its database may be all that is left of it."""
    (second.path / "broker.db-wal").write_bytes(b"rows")
    with pytest.raises(ConfigError, match="of a store that is gone"):
        bring(second, sealed(second, *FIRST, schema="0001"))
    assert (second.path / "broker.db-wal").read_bytes() == b"rows"


def test_a_home_open_to_others_is_refused(second):
    """As everywhere: exit 8, and nothing is made."""
    second.path.chmod(0o755)
    with pytest.raises(FetchTokenError) as caught:
        bring(second, sealed(second, *FIRST, schema="0001"))
    assert caught.value.exit_code == 8


@pytest.mark.parametrize("state", list(State))
def test_how_accounts_come_back(state):
    """What was under way is in doubt, why a login ended is kept, and every account is marked."""
    row = {"state": state.value, "restored": False, "lease_until": 9.0, "last_error": "x", "attempt_id": "a"}
    came = as_restored("accounts", row, "2026-11-21T06:40:00Z")
    under_way = state in (State.REFRESHING, State.REPLAYING)
    assert came == {
        "state": "in_doubt" if under_way else state.value,
        "restored": True,
        "lease_until": None,
        "last_error": "x" if state is State.LOGIN_REQUIRED else "backup_restored: 2026-11-21T06:40:00Z",
        "attempt_id": "a",
    }


def test_other_tables_come_back_as_they_were():
    """Clients, grants and the trail are not touched."""
    assert as_restored("clients", {"state": "x"}, "") == {"state": "x"}


def test_a_restored_broker_sends_nothing_by_itself(tmp_path, issuer):
    """Expired or due, asked for or not: the issuer hears nothing until a person says so; then it does."""
    broker = Broker(tmp_path, issuer)
    assert broker.run("init").code == 0
    for name, age in (
        ("due", {"life_s": 100_000, "age_s": 70_000}),
        ("expired", {"life_s": 100_000, "age_s": 100_000}),
    ):
        path = issuer.mint(**age).write(tmp_path / f"{name}.json")
        assert broker.run("account", "import", str(path), "--name", name, "--sole-owner").code == 0
    key = broker.json("client", "add", "ci", "--account", "due", "--account", "expired")["api_key"]
    assert broker.run("backup", str(tmp_path / "store.backup")).code == 0
    (tmp_path / "home").rename(tmp_path / "former")
    (tmp_path / "home").mkdir(mode=0o700)
    (tmp_path / "former" / "master.key").rename(tmp_path / "home" / "master.key")
    assert broker.run("restore", str(tmp_path / "store.backup")).code == 0
    sent = len(issuer.exchanges())

    with broker.daemon() as daemon:
        assert broker.fetch(daemon.url, key, "--account", "due").code == 0
        assert broker.fetch(daemon.url, key, "--account", "expired").code in (3, 5)
        assert broker.run("account", "refresh", "due").code == 5
        assert broker.run("account", "refresh", "--all").code == 5
        assert len(issuer.exchanges()) == sent
        assert broker.run("account", "refresh", "--all", "--force").code == 0
        assert [entry["decision"] for entry in issuer.exchanges()[sent:]] == ["rotated", "rotated"]
        assert broker.fetch(daemon.url, key, "--account", "expired").code == 0


def test_the_same_home_takes_its_backup_after_the_database_is_lost(tmp_path, issuer):
    """Marks, audit head and journal of the lost store are there: all is found, and the loss is on record."""
    broker = Broker(tmp_path, issuer)
    assert broker.run("init").code == 0
    path = issuer.mint().write(tmp_path / "login.json")
    assert broker.run("account", "import", str(path), "--name", "work", "--sole-owner").code == 0
    assert broker.run("backup", str(tmp_path / "store.backup")).code == 0
    assert broker.run("account", "refresh", "work", "--force").code == 0
    for lost in broker.home.glob("broker.db*"):
        lost.unlink()

    assert broker.run("restore", str(tmp_path / "store.backup")).code == 0
    assert broker.json("account", "show", "work")["restored"] is True
    with broker.daemon():
        assert broker.run("account", "refresh", "work").code in (0, 5)
        assert [entry["decision"] for entry in issuer.exchanges()] == ["rotated"]
    assert "what was recorded after that backup is gone" in broker.run("audit", "verify").err


def test_an_exchange_under_way_is_in_doubt_in_what_is_restored(tmp_path, issuer):
    """The original gets its answer; the other one has no journal of it, says so, and asks for nothing."""
    broker = Broker(tmp_path, issuer)
    assert broker.run("init").code == 0
    login = issuer.mint(life_s=100_000, age_s=70_000)
    issuer.fault("hold", login_id=login.login_id)
    with broker.daemon() as daemon:
        path = login.write(tmp_path / "login.json")
        assert broker.run("account", "import", str(path), "--name", "work", "--sole-owner").code == 0
        issuer.until_held()
        assert broker.run("backup", str(tmp_path / "store.backup")).code == 0
        issuer.release()
        until_sync(lambda: broker.json("account", "show", "work")["generation"] == 1)
        second = tmp_path / "second"
        second.mkdir(mode=0o700)
        (second / "master.key").touch(mode=0o600)
        (second / "master.key").write_bytes((broker.home / "master.key").read_bytes())
        ran = broker.run("restore", str(tmp_path / "store.backup"), "--home", str(second))
        assert "in doubt, since an exchange was under way when it was made: work" in ran.err
        shown = broker.json("account", "show", "work", "--home", str(second))
        assert (shown["state"], shown["restored"], shown["generation"]) == ("in_doubt", True, 0)
        assert broker.run("account", "refresh", "work", "--force", "--home", str(second)).code == 5
        assert broker.run("account", "refresh", "work", "--force").code == 0, daemon.url
    assert [entry["decision"] for entry in issuer.exchanges()] == ["rotated", "rotated"]
