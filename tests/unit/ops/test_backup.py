"""Backups: what is in the file, and who may have it written where."""

import io
import json
import os
import subprocess
from pathlib import Path

import pytest

from broker.cli.place import Place
from broker.ops.backup import write_backup
from broker.seal.keyring import Keyring
from broker.seal.passphrase import open_ring, stretch
from broker.seal.stream import read_chunks, read_head
from broker.store.store import Store
from fetchtoken.domain.errors import ConfigError
from fetchtoken.domain.secret import Secret
from tests.support.broker import BROKER
from tests.support.records import NOW, RECORD, a_login, new_seal, store_url


@pytest.fixture
def seal():
    return new_seal()


@pytest.fixture
async def store(tmp_path, seal):
    opened = await Store.open(store_url(tmp_path), seal, now=lambda: NOW)
    await opened.add_account("work", a_login("7", account_id="acct-7"), RECORD)
    yield opened
    await opened.close()


def content(file, keys):
    file.seek(0)
    head = read_head(file, "FILE")
    return b"".join(read_chunks(file, head, keys.derive("backup", head.key_id)))


async def test_the_head_says_what_is_needed_and_no_secret(store, seal):
    """Key ids, store, schema and time are readable; nothing else is, sealed boxes included."""
    file = io.BytesIO()
    made = await write_backup(store, file, now_s=NOW)
    file.seek(0)
    head = read_head(file, "FILE")
    assert head.fields | {"salt": ""} == {
        "made_at": "2025-11-24T16:00:00Z",
        "program": head.fields["program"],
        "store_id": store.store_id,
        "schema": head.fields["schema"],
        "key_id": seal.keys.current,
        "key_ids": [seal.keys.current],
        "salt": "",
    }
    assert (made.counts["accounts"], made.with_key) == (1, False)
    assert b"work" not in file.getvalue()
    assert b"work" in content(file, seal.keys)


async def test_no_token_is_in_the_clear_even_inside(store, seal):
    """Tokens stay in their boxes below the seal of the file."""
    file = io.BytesIO()
    await write_backup(store, file, now_s=NOW)
    [account] = (await store.snapshot()).accounts
    inside = content(file, seal.keys)
    for secret in (account.access_token, account.refresh_token, account.id_token):
        assert secret.reveal().encode() not in inside


async def test_all_keys_of_all_boxes_are_named(store, seal):
    """In the middle of a change of key a backup needs both, and says so."""
    former = seal.keys.current
    seal.keys.take(seal.keys.and_new(os.urandom, NOW))
    file = io.BytesIO()
    made = await write_backup(store, file, now_s=NOW)
    assert made.key_id == seal.keys.current != former
    assert set(made.key_ids) == {former, seal.keys.current}
    content(file, seal.keys)


async def test_the_keys_inside_are_all_that_are_needed(store, seal):
    """With the passphrase nothing else is needed, also where a key is retired while the file is written."""
    former = Keyring.and_all_of(seal.keys, seal.keys)

    class Retiring(io.BytesIO):
        def write(self, data):
            seal.keys.take(seal.keys.and_new(os.urandom, NOW).without(former.ids))
            return super().write(data)

    file = Retiring()
    made = await write_backup(store, file, now_s=NOW, stretched=stretch(Secret("correct horse battery")))
    file.seek(0)
    ring = open_ring(read_head(file, "FILE").fields["keys"], Secret("correct horse battery"), "FILE")
    assert set(made.key_ids) <= ring.ids
    assert b"work" in content(file, ring)


@pytest.mark.parametrize("name", ["master.key", "broker.db", "../outside", ".backup.0123456789ab.draft"])
def test_nothing_but_a_draft_of_the_home_is_written(broker, name):
    """Whoever reaches the socket cannot have the daemon write over its own files."""
    assert broker.run("init").code == 0
    before = (broker.home / "master.key").read_bytes()
    with pytest.raises(ConfigError):
        Place(broker.home).call("backup_write", draft=name)
    assert (broker.home / "master.key").read_bytes() == before


@pytest.mark.parametrize("kind", ["full", "link", "directory"])
def test_a_draft_is_an_empty_file(broker, kind):
    """Links and files that hold something are refused, whatever they are called."""
    assert broker.run("init").code == 0
    path = broker.home / ".backup.0123456789ab.draft"
    if kind == "link":
        path.symlink_to(broker.home / "master.key")
    elif kind == "directory":
        path.mkdir(mode=0o700)
    else:
        path.write_text("something")
    before = (broker.home / "master.key").read_bytes()
    with Place(broker.home).session() as call:
        if kind == "full":
            path.write_text("something")
        with pytest.raises(ConfigError):
            call("backup_write", draft=path.name)
    assert (broker.home / "master.key").read_bytes() == before


def test_a_backup_leaves_nothing_in_the_home(broker):
    """Before and after there are the same files, and the record is in the trail and in the backup."""
    assert broker.run("init").code == 0
    broker.run("backup", str(broker.root / "one"))
    before = sorted(path.name for path in broker.home.iterdir())
    assert broker.run("backup", str(broker.root / "two")).code == 0
    assert sorted(path.name for path in broker.home.iterdir()) == before
    assert "backup.made" in broker.run("audit", "list").out


def test_a_backup_may_go_to_standard_output(broker):
    """What a pipe gets is the file, and every word goes elsewhere."""
    assert broker.run("init").code == 0
    environ = {**broker.environ, "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run([*BROKER, "backup", "-"], env=environ, capture_output=True, check=True, timeout=60)
    file = io.BytesIO(done.stdout)
    assert read_head(file, "FILE").key_id in json.loads((broker.home / "master.key").read_text())["keys"]
    assert b"master.key" in done.stderr


def test_a_full_disk_behind_standard_output_is_no_bug(broker):
    """It is said as it is for a file, exit 2, and nothing follows it."""
    assert broker.run("init").code == 0
    environ = {**broker.environ, "PYTHONPATH": str(Path.cwd())}
    with Path("/dev/full").open("wb") as full:
        ran = subprocess.run(
            [*BROKER, "backup", "-"], env=environ, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert ran.returncode == 2, ran.stderr
    what, hint = ran.stderr.splitlines()
    assert what == "codex-broker: standard output cannot be written: No space left on device"
    assert hint.startswith("hint: ")
