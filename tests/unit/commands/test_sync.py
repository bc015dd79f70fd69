import json
import os
import stat
import time
from contextlib import contextmanager

import pytest

from fetchtoken.codex.locks import auth_locks
from fetchtoken.commands import sync as module
from tests.support.command import World
from tests.support.peers import Broker
from tests.support.tokens import answer, http, jwt

KEY = "cbk_a_b"


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    world.auth = world.home / ".codex/auth.json"
    return world


@contextmanager
def broker_for(world, *answers, max_age="0"):
    with Broker(*answers) as broker:
        world.environ.update(
            CODEX_TOKEN_SOURCE="remote",
            CODEX_REMOTE_URL=f"http://127.0.0.1:{broker.port}",
            CODEX_REMOTE_API_KEY=KEY,
            CODEX_CACHE_MAX_AGE=max_age,
        )
        yield broker


def access_only(bearer, *, account_id="acct-1", **more):
    tokens = {"id_token": bearer, "access_token": bearer, "refresh_token": "", "account_id": account_id}
    return {
        "auth_mode": "chatgptAuthTokens",
        "OPENAI_API_KEY": None,
        "tokens": tokens,
        "last_refresh": "x",
        **more,
    }


def put(world, document, mode=0o600):
    return world.write(".codex/auth.json", json.dumps(document), mode=mode)


def test_a_first_sync_makes_an_access_only_file(world):
    """Home and file are made, private, with the broker's token and every key that Codex needs."""
    bearer = jwt()
    with broker_for(world, http(200, answer(bearer))):
        ran = world.run("sync")
    assert (ran.code, ran.out) == (0, "")
    assert f"{world.auth} is now good until" in ran.err
    document = json.loads(world.auth.read_text())
    assert document["auth_mode"] == "chatgptAuthTokens"
    assert document["OPENAI_API_KEY"] is None
    assert document["tokens"] == {
        "id_token": bearer,
        "access_token": bearer,
        "refresh_token": "",
        "account_id": "acct-1",
    }
    assert document["last_refresh"].endswith("Z")
    assert stat.S_IMODE(world.auth.stat().st_mode) == 0o600
    assert stat.S_IMODE(world.auth.parent.stat().st_mode) == 0o700


def test_nothing_changed_nothing_written(world):
    """A second sync with the same token leaves the very same file."""
    with broker_for(world, http(200, answer(jwt()))):
        world.run("sync")
        before = world.auth.stat()
        ran = world.run("sync")
    assert "was already good" in ran.err
    after = world.auth.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_new_token_replaces_the_old_one_and_keeps_strange_keys(world):
    """Keys that nobody here knows stay; those of the login that was there go; a link is followed."""
    old = access_only(jwt(5000), model="m")
    old["tokens"]["strange"] = 1
    old["tokens"]["oauth_provenance"] = {"issuer": "https://old.example", "client_id": "c"}
    real = world.write("elsewhere/auth.json", json.dumps(old), mode=0o600)
    world.auth.parent.mkdir()
    world.auth.symlink_to(real)
    bearer = jwt()
    with broker_for(world, http(200, answer(bearer))):
        assert world.run("sync").code == 0
    document = json.loads(real.read_text())
    assert world.auth.is_symlink()
    assert document["model"] == "m"
    assert document["tokens"]["strange"] == 1
    assert document["tokens"]["access_token"] == bearer
    assert "oauth_provenance" not in document["tokens"]


@pytest.mark.parametrize(
    "document",
    [
        {"tokens": {"access_token": jwt(), "refresh_token": "rt_precious"}},
        {"auth_mode": "chatgptAuthTokens", "tokens": {"access_token": jwt(), "refresh_token": "rt_precious"}},
        {"type": "codex", "access_token": "x", "refresh_token": "rt_precious"},
        {"OPENAI_API_KEY": "sk-precious"},
        {"OPENAI_API_KEY": "sk-precious", "auth_mode": "chatgpt", "tokens": {"access_token": jwt()}},
        {"personal_access_token": "at-precious"},
    ],
)
def test_a_lasting_credential_is_never_replaced(world, document):
    """A refresh token or key would be lost: exit 8, before the broker is asked, and the file stays."""
    put(world, document)
    with broker_for(world, http(200, answer(jwt()))) as broker:
        ran = world.run("sync")
    assert ran.code == 8
    assert broker.accepted == 0
    assert json.loads(world.auth.read_text()) == document
    assert "precious" not in ran.err


def test_a_login_that_comes_while_the_broker_is_asked(world, monkeypatch):
    """The file is looked at once more under the locks: a login made meanwhile stays."""
    document = {"tokens": {"access_token": jwt(), "refresh_token": "rt_new"}}

    @contextmanager
    def locks(*words):
        put(world, document)
        with auth_locks(*words):
            yield

    monkeypatch.setattr(module, "auth_locks", locks)
    with broker_for(world, http(200, answer(jwt()))):
        assert world.run("sync").code == 8
    assert json.loads(world.auth.read_text()) == document


def test_codexs_locks_are_respected(world, monkeypatch):
    """While Codex holds its lock nothing is written: exit 5."""
    monkeypatch.setattr(module, "_LOCKS_S", 0.1)
    world.auth.parent.mkdir()
    with (
        broker_for(world, http(200, answer(jwt()))),
        auth_locks(str(world.auth), str(world.auth.parent), time.monotonic() + 5),
    ):
        assert world.run("sync").code == 5
    assert not world.auth.exists()


def test_adopted_leaves_everything_else_alone(world):
    """``--adopted``: no file, a login, another credential: exit 0 with a note, nothing asked or made."""
    with broker_for(world, http(200, answer(jwt()))) as broker:
        for document in (
            None,
            {"tokens": {"access_token": jwt(), "refresh_token": "rt"}},
            {"OPENAI_API_KEY": "sk"},
        ):
            if document is not None:
                put(world, document)
            ran = world.run("sync", "--adopted")
            assert (ran.code, "nothing to do" in ran.err) == (0, True)
            if document is None:
                assert not world.auth.parent.exists()
        assert broker.accepted == 0


def test_adopted_renews_an_access_only_file(world):
    """``--adopted`` does what sync does where the file is access-only."""
    put(world, access_only(jwt(5000)))
    bearer = jwt()
    with broker_for(world, http(200, answer(bearer))):
        assert world.run("sync", "--adopted").code == 0
    assert json.loads(world.auth.read_text())["tokens"]["access_token"] == bearer


def test_adopted_keeps_to_its_account(world):
    """A timer never puts another account under a running Codex: exit 4; a plain sync may."""
    put(world, access_only(jwt(5000), account_id="acct-other"))
    with broker_for(world, http(200, answer(jwt()))):
        assert world.run("sync", "--adopted").code == 4
        assert world.run("sync").code == 0
    assert json.loads(world.auth.read_text())["tokens"]["account_id"] == "acct-1"


def test_another_codex_home(world):
    """``--codex-home`` names the directory, from the working directory on."""
    with broker_for(world, http(200, answer(jwt()))):
        assert world.run("sync", "--codex-home", "here").code == 0
    assert (world.project / "here/auth.json").exists()
    assert not world.auth.exists()


def test_a_local_source_is_a_usage_error(world):
    """There is no broker to bring a token from: exit 2; with ``--adopted`` and no such file a note."""
    ran = world.run("sync")
    assert (ran.code, "--source remote" in ran.err) == (2, True)
    assert world.run("sync", "--adopted").code == 0


@pytest.mark.parametrize(
    ("text", "mode", "code"),
    [("not json", 0o600, 7), ("{}", 0o644, 8), ('{"tokens": {"access_token": 1}}', 0o600, 7)],
)
def test_a_file_that_cannot_be_judged_stays(world, text, mode, code):
    """What is not Codex's, or readable by others, is not replaced."""
    world.write(".codex/auth.json", text, mode=mode)
    with broker_for(world, http(200, answer(jwt()))):
        assert world.run("sync").code == code
    assert world.auth.read_text() == text


def test_a_hard_linked_file_stays(world):
    """Its other name would keep the old token: exit 8."""
    put(world, access_only(jwt(5000)))
    os.link(world.auth, world.home / "other-name")
    with broker_for(world, http(200, answer(jwt()))):
        assert world.run("sync").code == 8


def test_a_refused_key_is_exit_6(world):
    """What the broker says decides the exit code; the file stays as it is."""
    put(world, access_only(jwt(5000)))
    before = world.auth.read_text()
    with broker_for(world, http(401, {"code": "invalid_token"})):
        assert world.run("sync").code == 6
    assert world.auth.read_text() == before


def test_a_token_of_nobody_is_refused(world):
    """Codex refuses everything without an account id: exit 7."""
    with broker_for(world, http(200, {"access_token": "opaque", "expires_at": "2099-01-01T00:00:00Z"})):
        assert world.run("sync").code == 7
    assert not world.auth.exists()
