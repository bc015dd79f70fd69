"""A restore that dies at any point: run again, it ends with the whole store, or that was there already."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.broker import Broker
from tests.support.dying import CODE, RESTORE_POINTS
from tests.support.logins import auth_document
from tests.support.tokens import jwt

ROOT = Path(__file__).parents[2]
DONE = RESTORE_POINTS.index("after commit")


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A backup with the key inside, of a broker with an account and a client, and its passphrase."""
    broker = Broker(tmp_path_factory.mktemp("kept"), None)
    broker.environ["CODEX_BROKER_ISSUER_URL"] = "http://127.0.0.1:9"
    document = broker.root / "login.json"
    document.touch(mode=0o600)
    document.write_text(json.dumps(auth_document(jwt(account_id="a"), account_id="a")))
    assert broker.run("init").code == 0
    assert broker.run("account", "import", str(document), "--name", "work").code == 0
    assert broker.run("client", "add", "ci", "--account", "work").code == 0
    words = broker.root / "words"
    words.touch(mode=0o600)
    words.write_text("correct horse battery")
    options = ("--with-key", "--passphrase-file", str(words))
    assert broker.run("backup", str(broker.root / "store.backup"), *options).code == 0
    return broker


@pytest.mark.parametrize("point", RESTORE_POINTS)
def test_a_restore_that_dies(kept, tmp_path, point):
    """No half store is ever there: what opens is whole, marked, and has its key."""
    words = ("restore", str(kept.root / "store.backup"), "--passphrase-file", str(kept.root / "words"))
    broker = Broker(tmp_path, None)
    broker.environ["CODEX_BROKER_ISSUER_URL"] = "http://127.0.0.1:9"

    dead = subprocess.run(
        [sys.executable, "-m", "tests.support.dying", point, *words],
        env={**broker.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert dead.returncode == CODE, dead.stderr
    again = broker.run(*words)

    if RESTORE_POINTS.index(point) < DONE:
        assert again.code == 0, again.err
    else:
        assert again.code == 2
        assert "there is a store already" in again.err
    assert broker.json("account", "show", "work")["restored"] is True
    assert [client["client"] for client in broker.json("client", "list")] == ["ci"]
    assert (broker.home / "master.key").stat().st_mode & 0o777 == 0o600
    assert broker.run("audit", "verify").code == 0
    assert broker.run("backup", str(tmp_path / "next")).code == 0
