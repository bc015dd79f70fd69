import json
import stat

import pytest

from tests.support.command import World
from tests.support.tokens import jwt


@pytest.fixture
def world(tmp_path, issuer):
    world = World(tmp_path)
    world.environ["CODEX_REFRESH_TOKEN_URL_OVERRIDE"] = issuer.token_url
    return world


def put(world, login, path=".codex/auth.json"):
    return world.write(path, json.dumps(login.document), mode=0o600)


def held(path):
    return json.loads(path.read_text())["tokens"]


def test_a_login_that_is_due_is_refreshed(world, issuer):
    """With 60 % of the life over, one exchange renews the file, and the note says until when."""
    login = issuer.mint(life_s=10_000, age_s=6_100)
    path = put(world, login)
    ran = world.process("refresh")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.startswith(f"note: refreshed: {path} is good until ")
    assert len(issuer.exchanges()) == 1
    assert held(path)["refresh_token"] != login.refresh_token
    assert issuer.alive(held(path)["access_token"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_login_that_is_not_due_is_left_alone(world, issuer):
    """Before 60 % nothing is sent; the note says when it will be."""
    login = issuer.mint(life_s=10_000, age_s=5_000)
    path = put(world, login)
    ran = world.run("refresh")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.startswith(f"note: nothing to do: {path} is due ")
    assert issuer.exchanges() == []


def test_force_refreshes_what_is_not_due(world, issuer):
    """``--force`` exchanges a fresh one."""
    login = issuer.mint(life_s=10_000, age_s=10)
    path = put(world, login)
    assert world.process("refresh", "--force").code == 0
    assert len(issuer.exchanges()) == 1
    assert held(path)["refresh_token"] != login.refresh_token


def test_one_account_by_name(world, issuer):
    """NAME is the account's file; the default login is not touched."""
    work = put(world, issuer.mint(life_s=10_000, age_s=9_000), ".codex/accounts/work.json")
    default = issuer.mint(life_s=10_000, age_s=9_000)
    put(world, default)
    assert world.process("refresh", "work").code == 0
    (exchange,) = issuer.exchanges()
    assert exchange["status"] == 200
    assert held(work)["access_token"] != default.access_token
    assert held(world.home / ".codex/auth.json")["refresh_token"] == default.refresh_token


def test_all_takes_every_login_once(world, issuer):
    """``--all``: the default login and every account; a link to an account counts once."""
    for name in ("one", "two"):
        put(world, issuer.mint(life_s=10_000, age_s=9_000), f".codex/accounts/{name}.json")
    world.write(".codex/accounts/registry.json", "{}", mode=0o600)
    world.write(".codex/accounts/auth.json.bak.1", "not ours", mode=0o600)
    (world.home / ".codex/auth.json").symlink_to("accounts/one.json")
    ran = world.process("refresh", "--all")
    assert ran.code == 0, ran.err
    assert ran.err.count("note: refreshed: ") == 2
    assert len(issuer.exchanges()) == 2
    assert (world.home / ".codex/auth.json").is_symlink()


def test_one_failure_does_not_stop_the_others(world, issuer):
    """A login that the issuer refuses is exit 3 in the end; the next one had its turn."""
    lost, good = issuer.mint(life_s=10_000, age_s=9_000), issuer.mint(life_s=10_000, age_s=9_000)
    issuer.exchange(lost.refresh_token)
    put(world, lost, ".codex/accounts/a-lost.json")
    path = put(world, good, ".codex/accounts/b-good.json")
    ran = world.process("refresh", "--all")
    assert ran.code == 3
    assert "a-lost.json" in ran.err.splitlines()[-2]
    assert held(path)["refresh_token"] != good.refresh_token


def test_copies_of_one_login_are_not_refreshed(world, issuer):
    """Two files with one refresh token: neither is sent (exit 8), for the second would end the login."""
    shared, other = issuer.mint(life_s=10_000, age_s=9_000), issuer.mint(life_s=10_000, age_s=9_000)
    put(world, shared)
    put(world, shared, ".codex/accounts/copy.json")
    put(world, other, ".codex/accounts/other.json")
    ran = world.process("refresh", "--all")
    assert ran.code == 8
    assert "hold the same login" in ran.err
    assert len(issuer.exchanges()) == 1
    assert issuer.exchange(shared.refresh_token)[0] == 200


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (None, "does not exist"),
        ("", "empty"),
        ({"OPENAI_API_KEY": "sk-1"}, "an API key"),
        (
            {"auth_mode": "chatgptAuthTokens", "tokens": {"access_token": jwt(100), "refresh_token": ""}},
            "sync",
        ),
        ({"tokens": {"access_token": jwt(), "refresh_token": ""}}, "no refresh token"),
    ],
)
def test_nothing_to_refresh(world, issuer, document, words):
    """No login, another credential, an access-only file: exit 0 with a note, for a timer must not fail."""
    if document is not None:
        text = document if isinstance(document, str) else json.dumps(document)
        world.write(".codex/auth.json", text, mode=0o600)
    ran = world.run("refresh")
    assert ran.code == 0, ran.err
    assert ran.err.startswith("note: nothing to do: ")
    assert words in ran.err
    assert issuer.exchanges() == []


def test_an_expired_login_without_a_refresh_token(world):
    """A person must log in: exit 3."""
    document = {"tokens": {"access_token": jwt(100), "refresh_token": ""}}
    world.write(".codex/auth.json", json.dumps(document), mode=0o600)
    assert world.run("refresh").code == 3


def test_a_remote_source(world):
    """With the broker as source there is nothing to refresh here."""
    ran = world.run("--source", "remote", "refresh")
    assert (ran.code, "the broker refreshes" in ran.err) == (0, True)


def test_a_login_in_the_keyring(world):
    """Codex renews what it keeps in the keyring."""
    world.write(".codex/config.toml", 'cli_auth_credentials_store = "keyring"')
    ran = world.run("refresh")
    assert (ran.code, "keyring" in ran.err) == (0, True)


def test_a_named_file_of_another_account(world, issuer):
    """NAME with a file that holds another account is exit 4, for status too; nothing is sent."""
    path = put(world, issuer.mint(life_s=10_000, age_s=9_000))
    world.environ["CODEX_CREDENTIALS_FILE"] = str(path)
    assert world.run("refresh", "work").code == 4
    assert world.run("--account", "work", "status").code == 4
    assert issuer.exchanges() == []


def test_a_login_that_others_can_read(world, issuer):
    """Loose modes are exit 8, not a note."""
    put(world, issuer.mint()).chmod(0o644)
    assert world.run("refresh").code == 8


def test_contradictory_words(world):
    """A name with ``--all``, and a name that is none, are exit 2."""
    assert world.run("refresh", "work", "--all").code == 2
    assert world.run("refresh", "Not/A/Name").code == 2
    assert world.run("--timeout", "3", "refresh").code == 2


def test_an_issuer_that_is_down(world, issuer):
    """The issuer cannot give a token now: exit 5, and the file stays as it is."""
    login = issuer.mint(life_s=10_000, age_s=9_000)
    path = put(world, login)
    issuer.fault("503", times=5)
    ran = world.process("refresh")
    assert ran.code == 5, ran.err
    assert held(path)["refresh_token"] == login.refresh_token


def test_in_doubt_is_sent_again_only_by_force(world, issuer):
    """Sent, no answer: exit 5, not sent again by a timer while the token lives, once more by ``--force``."""
    login = issuer.mint(life_s=10_000, age_s=7_000)
    put(world, login)
    issuer.fault("reset")
    ran = world.process("refresh")
    assert ran.code == 5
    assert "in doubt" in ran.err
    sent = len(issuer.log())
    assert world.process("refresh").code == 5
    assert len(issuer.log()) == sent
    assert world.process("refresh", "--force").code == 0
    assert len(issuer.log()) == sent + 1
    assert not (world.home / ".codex/auth.json.attempt").exists()
