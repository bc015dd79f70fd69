"""The keyring, through keyring's own plug-in mechanism and the real program."""

import json
from hashlib import sha256

import pytest

from fetchtoken.sources.keyring import SERVICE, keyring_key
from tests.support.command import World
from tests.support.tokens import jwt

BACKEND = """
import json, os
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked

class Ring(KeyringBackend):
    priority = 1

    def get_password(self, service, username):
        if "RING_LOCKED" in os.environ:
            raise KeyringLocked("a message that may quote what it likes")
        return json.loads(os.environ["RING"]).get(service, {}).get(username)

    def set_password(self, service, username, password):
        raise AssertionError("read only")

    def delete_password(self, service, username):
        raise AssertionError("read only")
"""


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    world.write(".codex/config.toml", 'cli_auth_credentials_store = "keyring"\n')
    world.write("plugins/ring.py", BACKEND)
    world.environ.update(
        PYTHONPATH=str(world.home / "plugins"), PYTHON_KEYRING_BACKEND="ring.Ring", RING=json.dumps({})
    )
    return world


def file_away(world, access_token, **more):
    tokens = {
        "access_token": access_token,
        "id_token": access_token,
        "refresh_token": "rt_1",
        "account_id": "a",
    }
    document = {"auth_mode": "chatgpt", "tokens": tokens, **more}
    entry = {keyring_key(str(world.home / ".codex")): json.dumps(document)}
    world.environ["RING"] = json.dumps({SERVICE: entry})


def auth_json(world, access_token):
    tokens = {
        "access_token": access_token,
        "id_token": access_token,
        "refresh_token": "rt_1",
        "account_id": "a",
    }
    world.write(".codex/auth.json", json.dumps({"tokens": tokens}), mode=0o600)


def without_the_extra(world):
    """A ``keyring`` package that cannot be imported stands before the real one."""
    world.write("plugins/keyring.py", "raise ImportError('as if it were not installed')")


def test_the_name_of_codexs_entry(tmp_path):
    """The key is made of the canonical Codex home; a link leads to the same entry."""
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "link").symlink_to(home)
    assert keyring_key(str(home)) == "cli|" + sha256(str(home).encode()).hexdigest()[:16]
    assert keyring_key(str(tmp_path / "link")) == keyring_key(str(home))


def test_the_token_comes_from_the_keyring(world):
    """With ``keyring`` configured, auth.json is not used, however good it is."""
    bearer = jwt()
    file_away(world, bearer)
    auth_json(world, jwt(5000))
    ran = world.process()
    assert (ran.code, ran.out, ran.err) == (0, bearer + "\n", "")


def test_an_expired_token_is_codexs_to_renew(world):
    """Expired: exit 3, ``run codex once``; nothing is exchanged although there is a refresh token."""
    file_away(world, jwt(100))
    ran = world.process()
    assert ran.code == 3
    assert ran.err.endswith("hint: run codex once\n")


def test_too_short_a_life(world):
    """Alive but under ``--min-valid``: exit 5; forced: exit 5, for it is never exchanged."""
    file_away(world, jwt(1000))
    ran = world.process("--min-valid", "5000")
    assert (ran.code, ran.err.splitlines()[1]) == (5, "hint: --min-valid 0")
    ran = world.process("--min-valid", "0", "--force-refresh")
    assert (ran.code, ran.err.splitlines()[1]) == (5, "hint: run codex once")


def test_an_api_key_in_the_keyring(world):
    """Another kind of credential is named: exit 3."""
    file_away(world, "", OPENAI_API_KEY="sk-1", auth_mode="apikey")
    ran = world.process()
    assert ran.code == 3
    assert "an API key" in ran.err


def test_nonsense_in_the_keyring(world):
    """An entry that is not Codex's is exit 7 and is not shown."""
    world.environ["RING"] = json.dumps({SERVICE: {keyring_key(str(world.home / ".codex")): "hunter2"}})
    ran = world.process()
    assert ran.code == 7
    assert "hunter2" not in ran.err


def test_an_empty_keyring(world):
    """No entry: exit 4, although there is an auth.json."""
    auth_json(world, jwt())
    ran = world.process()
    assert (ran.code, ran.err.splitlines()[1]) == (4, "hint: codex login")


def test_a_locked_keyring(world):
    """Locked: exit 5; the backend's own message is not repeated."""
    world.environ["RING_LOCKED"] = "1"
    ran = world.process()
    assert ran.code == 5
    assert "quote" not in ran.err


def test_without_the_extra(world):
    """The extra is missing: exit 2, and how to get it."""
    without_the_extra(world)
    ran = world.process()
    assert ran.code == 2
    assert "codex-token-broker[keyring]" in ran.err


def test_ephemeral(world):
    """A login that Codex keeps in memory is nowhere to be found: exit 4."""
    world.write(".codex/config.toml", 'cli_auth_credentials_store = "ephemeral"\n')
    auth_json(world, jwt())
    assert world.process().code == 4


def test_auto_prefers_the_keyring(world):
    """``auto``: the keyring's token where there is one."""
    world.write(".codex/config.toml", 'cli_auth_credentials_store = "auto"\n')
    bearer = jwt()
    file_away(world, bearer)
    auth_json(world, jwt(5000))
    assert world.process().out == bearer + "\n"


@pytest.mark.parametrize("trouble", ["empty", "locked", "no extra"])
def test_auto_falls_back_to_the_file(world, trouble):
    """``auto``: the file where the keyring has nothing, with a note where it could not be asked."""
    world.write(".codex/config.toml", 'cli_auth_credentials_store = "auto"\n')
    bearer = jwt()
    auth_json(world, bearer)
    if trouble == "locked":
        world.environ["RING_LOCKED"] = "1"
    if trouble == "no extra":
        without_the_extra(world)
    ran = world.process()
    assert (ran.code, ran.out) == (0, bearer + "\n")
    assert ("auth.json is used" in ran.err) == (trouble != "empty")


def test_auto_without_a_file(world):
    """``auto`` with neither extra nor file: what the keyring says, for the login may be in it."""
    world.write(".codex/config.toml", 'cli_auth_credentials_store = "auto"\n')
    without_the_extra(world)
    assert world.process().code == 2


def test_a_named_file_beats_the_keyring(world):
    """``CODEX_CREDENTIALS_FILE`` says which file; the keyring is not asked."""
    bearer = jwt()
    auth_json(world, bearer)
    world.environ["CODEX_CREDENTIALS_FILE"] = str(world.home / ".codex/auth.json")
    world.environ["RING_LOCKED"] = "1"
    assert world.process().out == bearer + "\n"
