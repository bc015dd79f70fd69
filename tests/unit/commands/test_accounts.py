import json

import pytest

from fetchtoken.domain.errors import Denied, Malformed
from fetchtoken.sources.directory import accounts_url, fetch_accounts
from tests.support.command import World
from tests.support.logins import auth_document, write_auth
from tests.support.peers import Broker
from tests.support.tokens import http, jwt, request_of, settings_of


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def account(world, path, **more):
    token = jwt(**{"email": "ann@example.com", **more})
    account_id = more.get("account_id", "acct-1")
    return write_auth(world.home / ".codex" / path, token, refresh=f"rt_{path}", account_id=account_id)


def rows(world, *words):
    ran = world.run(*words, "accounts", "--json")
    assert ran.code == 0, ran
    return {row["account"]: row for row in json.loads(ran.out)}


def test_nobody_has_logged_in(world):
    """An empty list, and the way to log in."""
    ran = world.run("accounts")
    assert (ran.code, ran.out, " login\n" in ran.err) == (0, "", True)
    assert world.run("accounts", "--json").out == "[]\n"


def test_the_default_login_and_the_accounts(world):
    """Who, what plan, until when, who refreshes; the default login has no name and is in use."""
    account(world, "auth.json")
    account(world, "accounts/work.json", plan="team", account_id="acct-2", email="w@example.com")
    found = rows(world)
    assert list(found) == [None, "work"]
    assert (found[None]["in_use"], found["work"]["in_use"]) == (True, False)
    assert found["work"]["email"] == "w@example.com"
    assert (found["work"]["account_id"], found["work"]["plan_type"]) == ("acct-2", "team")
    assert found["work"]["expires_at"].endswith("Z")
    assert found[None]["refreshed_by"] == "codex-fetchtoken and Codex"
    assert found["work"]["refreshed_by"] == "codex-fetchtoken"
    assert "rt_" not in world.run("accounts", "--json").out


def test_a_link_is_no_second_login(world):
    """After ``use`` the account is in use, and nothing is listed twice."""
    account(world, "accounts/work.json")
    world.run("use", "work")
    assert [(name, row["in_use"]) for name, row in rows(world).items()] == [("work", True)]


def test_the_file_that_the_settings_name_is_the_default(world):
    """What a plain resolve reads."""
    account(world, "auth.json")
    other = account(world, "../other.json", email="o@example.com")
    world.environ["CODEX_CREDENTIALS_FILE"] = str(other)
    assert [row["email"] for row in rows(world).values()] == ["o@example.com"]


@pytest.mark.parametrize(
    ("content", "mode", "code", "words"),
    [
        ('{"tokens":', 0o600, 7, "is not JSON"),
        ("", 0o600, 4, "is empty"),
        (json.dumps(auth_document("at", refresh="rt")), 0o644, 8, "readable by group or others"),
        ('{"OPENAI_API_KEY": "sk-1"}', 0o600, 3, "an API key"),
        (json.dumps(auth_document(jwt(100, age_s=200))), 0o600, 3, "expired and there is no refresh token"),
    ],
)
def test_what_is_wrong_is_listed(world, content, mode, code, words):
    """A file that is not in order is a row like any other, with its problem; the rest is listed too."""
    account(world, "auth.json")
    world.write(".codex/accounts/bad.json", content, mode=mode)
    problem = rows(world)["bad"]["problem"]
    assert (problem["exit_code"], words in problem["message"]) == (code, True)
    ran = world.run("accounts")
    assert (ran.code, words in ran.err) == (0, True)
    assert "ann@example.com" in ran.out


def test_a_link_that_leads_nowhere(world):
    """Said to be one."""
    world.write(".codex/accounts/work.json", json.dumps(auth_document(jwt(), refresh="rt")), mode=0o600)
    (world.home / ".codex/auth.json").symlink_to("accounts/gone.json")
    assert "leads to" in rows(world)[None]["problem"]["message"]


def test_copies_of_one_login(world):
    """Each names the other."""
    for path in ("accounts/one.json", "accounts/two.json"):
        write_auth(world.home / ".codex" / path, jwt(), refresh="rt_same")
    assert "two.json" in rows(world)["one"]["notes"][0]
    assert "one.json" in rows(world)["two"]["notes"][0]


def test_an_access_only_file(world):
    """Nobody here refreshes it but sync."""
    document = {**auth_document(jwt()), "auth_mode": "chatgptAuthTokens"}
    world.write(".codex/auth.json", json.dumps(document), mode=0o600)
    assert rows(world)[None]["refreshed_by"] == "codex-fetchtoken sync"


@pytest.mark.parametrize(("mode", "place"), [("keyring", "the keyring"), ("ephemeral", "store ephemeral")])
def test_codex_that_keeps_its_login_elsewhere(world, mode, place, monkeypatch):
    """auth.json is not what Codex uses then; accounts are listed all the same."""
    monkeypatch.setattr("fetchtoken.commands.accounts.read_keyring", lambda _: kept())
    account(world, "auth.json")
    account(world, "accounts/work.json")
    world.write(".codex/config.toml", f'cli_auth_credentials_store = "{mode}"')
    found = rows(world)
    assert (found[None]["place"], found[None]["refreshed_by"]) == (place, "Codex")
    assert found["work"]["in_use"] is False


def kept():
    from fetchtoken.formats.codex import parse_auth_file

    return parse_auth_file(json.dumps(auth_document(jwt(), refresh="rt")), "the keyring")


def test_claims_on_which_a_terminal_would_act(world):
    """They are written by others."""
    account(world, "auth.json", email="\x1b[2J@example.com", plan="\x07")
    ran = world.run("accounts")
    assert "\x1b" not in ran.out + ran.err
    assert "\x07" not in ran.out + ran.err


@pytest.mark.parametrize(
    ("base", "path"),
    [
        ("https://h", "/v1/accounts"),
        ("https://h/codex/", "/v1/accounts"),
        ("https://h/team/codex", "/team/v1/accounts"),
        ("unix:/s:/codex", "/v1/accounts"),
    ],
)
def test_the_list_lies_beside_the_token(base, path):
    """Whichever way the broker's URL is written."""
    assert accounts_url(base).path == path


def served(world, *answers):
    with Broker(*answers) as broker:
        settings = settings_of(
            world.home,
            CODEX_TOKEN_SOURCE="remote",
            CODEX_REMOTE_URL=f"http://127.0.0.1:{broker.port}",
            CODEX_REMOTE_API_KEY="cbk_test_0123456789",
        )
        return fetch_accounts(settings, request_of())


def test_what_the_broker_serves(world):
    """Names, states and expiries; texts that are none are left out."""
    row = {"account": "work", "plan_type": 7, "state": "in_doubt", "disabled": True, "expires_at": "x"}
    (one,) = served(world, http(200, {"accounts": [{**row, "account_id": "a\nb"}]}))
    assert (one.name, one.state, one.disabled) == ("work", "in_doubt", True)
    assert (one.plan_type, one.account_id, one.expires_at) == ("", "", None)


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"accounts": {}}, 200, Malformed),
        ({"accounts": [1]}, 200, Malformed),
        (b"<html>", 200, Malformed),
        ({"code": "invalid_token"}, 401, Denied),
        (b"", 302, Malformed),
    ],
)
def test_what_else_a_broker_may_answer(world, body, status, error):
    """The same classes as for a token."""
    with pytest.raises(error):
        served(world, http(status, body))


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["use", ""], ["home", "work"]),
        (["use", "w"], ["work"]),
        (["rename", ""], ["home", "work"]),
        (["logout", "h"], ["home"]),
        (["refresh", "w"], ["work"]),
        (["--account", "w"], ["work"]),
        (["-a", ""], ["home", "work"]),
    ],
)
def test_the_shell_offers_names(world, words, offered):
    """Of the accounts that there are, wherever one is asked for."""
    for name in ("home", "work"):
        account(world, f"accounts/{name}.json")
    world.environ.update(
        _CODEX_FETCHTOKEN_COMPLETE="complete_bash",
        COMP_WORDS=" ".join(["codex-fetchtoken", *words]),
        COMP_CWORD=str(len(words)),
    )
    assert world.process().out.split() == offered


def test_the_shell_offers_nothing_where_settings_are_wrong(world):
    """And says nothing in the middle of somebody's line."""
    world.environ.update(
        CODEX_MIN_VALID="soon",
        _CODEX_FETCHTOKEN_COMPLETE="complete_bash",
        COMP_WORDS="codex-fetchtoken use ",
        COMP_CWORD="2",
    )
    ran = world.process()
    assert (ran.out.strip(), ran.err) == ("", "")
