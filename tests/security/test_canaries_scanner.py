"""The scanner itself: it finds a secret in every place and form, and nothing where there is none."""

import os
import resource
import sqlite3
import subprocess
import sys
from base64 import b64encode, urlsafe_b64encode
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.canary import FORMS, Scanner, files_below, pieces_of, processes_at
from tests.support.programs import Machine
from tests.support.wait import until_sync

SECRETS = {
    "refresh token": "rt_hGk3Jd8sLq0ZxPw5Tn7VbYcRf2Em4UaQ",
    "access token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1c2VyIn0.Zm9vYmFyYmF6cXV4-_0123456789abcdefXYZ",
    "API key": "cbk_0123456789A_Q7wErTyUiOpAsDfGhJkLzXcVbNm1234567890QWERTYabcde",
    "password": 'p/ä"ss w+o&r=d%\\<é>',
}


@pytest.fixture
def scanner():
    scanner = Scanner()
    for name, secret in SECRETS.items():
        scanner.add(name, secret)
    return scanner


def names(hits):
    return {hit.name for hit in hits}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("before", [b"", b"x", b"xy"])
def test_a_planted_secret_is_found_in_every_form(scanner, name, form, before):
    """Whole or cut in two, wherever it stands, however it is written."""
    secret = SECRETS[name]
    tail = secret[-max(16, len(secret) // 2) :]
    for text in (secret, tail):
        if "base64" in form:
            encode = b64encode if form == "base64" else urlsafe_b64encode
            data = encode(before + text.encode() + b"after")
        else:
            data = before + next(iter(FORMS[form](text))) + b"after"
        assert name in names(scanner.in_bytes(data, "here"))


@pytest.mark.parametrize("name", SECRETS)
def test_what_tells_nothing_is_not_found(scanner, name):
    """An API key's id and a JWT's claims are no secret, and neither is other text."""
    assert SECRETS[name].rpartition(".")[0] not in pieces_of(SECRETS[name])
    public = b"cbk_0123456789A_ eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1c2VyIn0. rt_ p/" + bytes(range(256)) * 9
    assert scanner.in_bytes(public, "here") == set()


def test_a_binary_key_is_found(scanner):
    """As it is, in hex and in base64."""
    key = bytes(range(7, 39))
    scanner.add_bytes("master key", key)
    for data in (key, key.hex().encode(), key.hex().upper().encode(), b64encode(key)):
        assert names(scanner.in_bytes(b"x" + data + b"y", "here")) == {"master key"}


def in_a_file(machine: Machine, secret: str) -> None:
    machine.write("deep/er/file.txt", f"before {secret} after")


def in_a_file_name(machine: Machine, secret: str) -> None:
    machine.write("x" + secret.replace("/", "")[-40:], "")


def in_a_database(machine: Machine, secret: str) -> None:
    with closing(sqlite3.connect(machine.home / "store.db")) as store, store:
        store.execute("CREATE TABLE t (x)")
        store.execute("INSERT INTO t VALUES (?)", (secret,))


def in_the_log_of_a_database(machine: Machine, secret: str) -> None:
    """Leave it in the write-ahead log alone, as a crash does."""
    code = (
        "import os, sqlite3, sys\n"
        "store = sqlite3.connect('store.db', isolation_level=None)\n"
        "store.execute('PRAGMA journal_mode = WAL')\n"
        "store.execute('CREATE TABLE t (x)')\n"
        "store.execute('PRAGMA wal_checkpoint(TRUNCATE)')\n"
        "store.execute('INSERT INTO t VALUES (?)', (sys.argv[1],))\n"
        "os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", code, secret], cwd=machine.home, check=True)
    assert b"INSERT" not in (machine.home / "store.db").read_bytes()


PLACES = [in_a_file, in_a_file_name, in_a_database, in_the_log_of_a_database]


@pytest.mark.parametrize("plant", PLACES, ids=lambda plant: plant.__name__)
@pytest.mark.parametrize("name", [name for name in SECRETS if name != "password"])
def test_a_secret_planted_on_disk_is_found(scanner, tmp_path, name, plant):
    """In a file however deep, in its name, in a database and in its write-ahead log."""
    machine = Machine(tmp_path)
    plant(machine, SECRETS[name])
    assert names(scanner.among(files_below(tmp_path))) == {name}


def test_a_password_on_disk_is_found(scanner, tmp_path):
    """Though it holds everything that encodings change."""
    Machine(tmp_path).write("deep/file", f"http://user:{SECRETS['password']}@proxy")
    assert names(scanner.among(files_below(tmp_path))) == {"password"}


@pytest.mark.parametrize("place", ["environ", "cmdline"])
def test_a_secret_of_a_process_is_found(scanner, tmp_path, place):
    """In the environment or on the command line of a process, even of one in its own session."""
    machine = Machine(tmp_path)
    secret = SECRETS["API key"]
    words = [secret] if place == "cmdline" else []
    more = {"KEY": secret} if place == "environ" else {}
    code = "import sys; print('up', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, *words],
        env={**machine.environ, **more},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        hits = scanner.among(processes_at(machine.home))
        process.stdin.close()
    assert names(hits) == {"API key"}
    assert all(hit.where.endswith(place) for hit in hits)
    until_sync(lambda: not scanner.among(processes_at(machine.home)))


def test_a_secret_in_a_core_dump_is_found(scanner, tmp_path):
    """A process that dies by SIGABRT may leave its whole memory in a file, where the kernel puts it there."""
    code = (
        "import os, resource, sys\n"
        "held = sys.stdin.read()\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)\n"
        "os.abort()\n"
    )
    secret = SECRETS["API key"].encode()
    dies = [sys.executable, "-c", code]
    subprocess.run(dies, input=secret, cwd=tmp_path, env={"PATH": os.defpath}, check=False)
    kept_here = Path("/proc/sys/kernel/core_pattern").read_text().startswith("core")
    allowed = resource.getrlimit(resource.RLIMIT_CORE)[1] == resource.RLIM_INFINITY
    assert names(scanner.among(files_below(tmp_path))) == ({"API key"} if kept_here and allowed else set())
