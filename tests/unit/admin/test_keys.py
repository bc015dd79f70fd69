"""Changing the master key: what keeps a former one, what is refused, and what two at once come to."""

import json
import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from broker.refresh.journals import Journals
from broker.seal.keyfile import create_keyring, load_keyring
from broker.seal.keyring import Keyring
from tests.support.broker import Broker
from tests.support.command import Ran
from tests.support.issuer import Issuer
from tests.support.places import read_only
from tests.support.records import an_account
from tests.support.wait import until_sync


@pytest.fixture
def home(broker: Broker, issuer: Issuer) -> Broker:
    """A home with one account in it."""
    assert broker.run("init").code == 0
    issuer.mint().write(broker.root / "work.json")
    assert broker.run("account", "import", str(broker.root / "work.json"), "--sole-owner", "--name", "work")
    return broker


def keys(home: Broker) -> Keyring:
    return load_keyring(home.home / "master.key")


def sql(home: Broker, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(home.home / "broker.db", isolation_level=None)) as store:
        return store.execute(statement).fetchall()


def needed(home: Broker, key_id: str) -> list[str]:
    (found,) = [key for key in home.json("key", "list") if key["key_id"] == key_id]
    return found["needed_by"]


def in_background(home: Broker, *words: str) -> tuple[threading.Thread, list[Ran]]:
    """Start a command as a process of its own; what it did comes into the list."""
    done: list[Ran] = []
    thread = threading.Thread(target=lambda: done.append(home.process(*words)))
    thread.start()
    return thread, done


def test_a_change_is_in_the_trail(home):
    """Which key came and which went is written down, before it happens, and no key is."""
    former = keys(home).current
    assert home.run("key", "rotate").code == 0
    current = keys(home).current
    told = sql(home, "SELECT action, detail FROM audit WHERE action LIKE 'key.%' ORDER BY seq")
    assert told == [("key.rotating", f"key {current} after {former}"), ("key.retired", f"key {former}")]


def test_an_exchange_under_way_keeps_its_key_to_its_end(home, issuer):
    """The former key stays while an exchange that began with it is out, and goes when it has landed."""
    former = keys(home).current
    with home.daemon():
        issuer.fault("hold")
        flight, flown = in_background(home, "account", "refresh", "work", "--force")
        issuer.until_held()
        rotation, rotated = in_background(home, "key", "rotate", "--json")
        until_sync(lambda: keys(home).current != former)
        until_sync(lambda: not any("sealed records" in need for need in needed(home, former)))
        (need,) = needed(home, former)
        assert need.startswith("work, refreshing: ")
        assert former in keys(home).ids
        issuer.release()
        flight.join()
        rotation.join()
        assert flown[0].code == 0
        assert json.loads(rotated[0].out)["retired"] == [former]
        assert keys(home).ids == {keys(home).current}
        assert home.json("account", "show", "work")["generation"] == 1
    assert [entry["decision"] for entry in issuer.exchanges()] == ["rotated"]


def test_an_answer_that_comes_after_the_change_is_read(home, issuer):
    """The daemon is killed in mid-exchange and the key changed without it: the answer is not lost."""
    former = keys(home).current
    with home.daemon() as daemon:
        issuer.fault("hold")
        flight, _ = in_background(home, "account", "refresh", "work", "--force")
        issuer.until_held()
        daemon.kill()
        flight.join()
    rotation, rotated = in_background(home, "key", "rotate", "--json")
    until_sync(lambda: keys(home).current != former)
    issuer.release()
    rotation.join()
    done = json.loads(rotated[0].out)
    assert (rotated[0].code, [key["key_id"] for key in done["kept"]]) == (0, [former])
    assert home.json("account", "show", "work")["generation"] == 1
    assert home.json("key", "rotate")["kept"] == []
    assert former not in keys(home).ids
    assert [entry["decision"] for entry in issuer.exchanges()] == ["rotated"]


def test_a_journal_out_of_sight_keeps_every_key(home):
    """An intent whose journal lies on another volume may need any key: none is retired."""
    former = keys(home).current
    sql(home, "UPDATE accounts SET state='in_doubt', attempt_id='a', journal_id='elsewhere:1'")
    (kept,) = home.json("key", "rotate")["kept"]
    assert kept["key_id"] == former
    assert kept["needed_by"] == ["work, in doubt: its journal lies on elsewhere:1, out of sight"]
    assert former in keys(home).ids


def test_a_file_that_no_row_waits_for_keeps_its_key(home):
    """A leftover journal file is named; what is in it may be the only copy of something."""
    former = keys(home).current
    journals = Journals(str(home.home / "journal"), keys(home))
    with home.daemon():
        os.close(journals.begin("b" * 32, an_account()).fd)
        (kept,) = home.json("key", "rotate")["kept"]
        assert kept == {"key_id": former, "needed_by": [journals.path("b" * 32)]}


def test_a_file_that_cannot_be_read_keeps_every_key(home):
    """Where nobody can tell what a journal file is sealed with, nothing is retired; exit 8 names it."""
    former = keys(home).current
    with home.daemon():
        path = home.home / "journal" / f"{'c' * 32}.journal"
        path.mkdir()
        ran = home.run("key", "rotate")
        assert ran.code == 8
        assert ran.err.startswith(f"codex-broker: the journal file {path} cannot be read: Is a directory")
        assert former in keys(home).ids
        path.rmdir()
        assert home.run("key", "rotate").code == 0
        assert keys(home).ids == {keys(home).current}


def test_a_file_that_is_being_made_counts(home, monkeypatch):
    """Between the choice of the key and the file on disk the key is named already."""
    ring = keys(home)
    journals = Journals(str(home.home / "journal"), ring)
    seen = []

    def make(path, _intent, key):
        ring.take(ring.and_new(os.urandom, 0.0))
        seen.append((key.key_id, journals.attempts_by_key()))
        raise OSError(28, path)

    former = ring.current
    monkeypatch.setattr("broker.refresh.journals.create", make)
    with pytest.raises(OSError, match="28"):
        journals.begin("d" * 32, an_account())
    assert seen == [(former, {former: []})]
    assert journals.attempts_by_key() == {}


def test_a_damaged_record_is_told_and_keeps_its_key(home):
    """What does not open stays under its key: exit 8 says which record, and all else is sealed anew."""
    former = keys(home).current
    sql(home, "UPDATE accounts SET id_box = substr(id_box, 1, 40)")
    ran = home.run("key", "rotate")
    assert ran.code == 8
    assert "1 sealed records do not open and stay as they are: account:" in ran.err
    assert needed(home, former) == ["1 sealed records"]
    assert home.run("key", "rotate").code == 8
    assert len(keys(home).ids) == 3 - 1, "the key between the two is retired; the damaged record's stays"


def test_two_at_once_come_to_one_end(home):
    """Both rotations succeed, the store is under the one key that is left, and the account is served."""
    with home.daemon():
        runs = [in_background(home, "key", "rotate") for _ in range(2)]
        for thread, _ in runs:
            thread.join()
        assert [done[0].code for _, done in runs] == [0, 0], runs
        (only,) = home.json("key", "list")
        assert only["current"]
        assert home.run("account", "refresh", "work", "--force").code == 0
    assert home.run("account", "refresh", "work", "--force").code == 0


def test_what_cannot_be_written_changes_nothing(home, tmp_path):
    """A key file on a read-only file system: exit 2 with the way round, and everything goes on as it was."""
    place = tmp_path / "secrets"
    place.mkdir(mode=0o700)
    (home.home / "master.key").rename(place / "master.key")
    home.environ["CODEX_BROKER_SEAL_KEY_FILE"] = str(place / "master.key")
    before = (place / "master.key").read_bytes()
    with home.daemon():
        with read_only(place):
            ran = home.run("key", "rotate")
        assert ran.code == 2
        assert "cannot be written: Read-only file system" in ran.err
        assert "CODEX_BROKER_SEAL_KEY_FILE=COPY codex-broker key rotate" in ran.err
        assert (place / "master.key").read_bytes() == before
        assert len(home.json("key", "list")) == 1
        assert home.run("account", "refresh", "work", "--force").code == 0
        assert home.run("key", "rotate").code == 0


def test_systemds_credential_is_changed_by_way_of_a_copy(home, tmp_path):
    """The hint works: rotated with a copy, the unit gets the copy from then on."""
    given = tmp_path / "credentials"
    given.mkdir(mode=0o700)
    (home.home / "master.key").rename(given / "master.key")
    home.environ["CREDENTIALS_DIRECTORY"] = str(given)
    refused = home.run("key", "rotate")
    assert refused.code == 2
    assert "is systemd's copy of a credential, and cannot be changed there" in refused.err

    copy = home.root / "copy.key"
    copy.touch(mode=0o600)
    copy.write_bytes((given / "master.key").read_bytes())
    home.environ["CODEX_BROKER_SEAL_KEY_FILE"] = str(copy)
    assert home.run("key", "rotate").code == 0
    del home.environ["CODEX_BROKER_SEAL_KEY_FILE"]
    (given / "master.key").write_bytes(copy.read_bytes())
    assert home.run("account", "refresh", "work", "--force").code == 0


def test_a_daemon_whose_key_file_was_swapped_refuses(home):
    """The file in its place is another home's: writing it over would lose a key. Exit 2 says so."""
    with home.daemon():
        mine = (home.home / "master.key").read_bytes()
        current = keys(home).current
        (home.home / "master.key").unlink()
        gone = home.run("key", "rotate")
        assert (gone.code, gone.err.splitlines()[0]) == (
            4,
            f"codex-broker: there is no master key at {home.home}/master.key",
        )
        create_keyring(home.home / "master.key")
        other = (home.home / "master.key").read_bytes()
        swapped = home.run("key", "rotate")
        assert swapped.code == 2
        assert f"lacks key {current}, which this broker works with" in swapped.err
        assert (home.home / "master.key").read_bytes() == other
        (home.home / "master.key").write_bytes(mine)
        assert home.run("key", "rotate").code == 0


def test_the_age_of_a_key_is_told_as_far_as_it_is_known(home):
    """A key file of an earlier version says nothing of it."""
    path: Path = home.home / "master.key"
    document = json.loads(path.read_text())
    del document["since"]
    path.write_text(json.dumps(document))
    (only,) = home.json("key", "list")
    assert only["since"] is None
    assert home.run("key", "list").out.splitlines()[1].split()[3] == "-"
