"""``doctor``: on a machine where several tools hold one login, and beside whatever else may be wrong."""

import json
import os
import shlex
import time
from email.utils import formatdate

import pytest

from fetchtoken.codex.local_attempt import attempt_path, begin
from fetchtoken.domain.secret import Secret
from fetchtoken.formats.places import TOOLS
from fetchtoken.oauth.journal import append
from tests.support.command import World
from tests.support.logins import auth_document
from tests.support.peers import Broker, closed_port
from tests.support.tokens import http, jwt

NOBODY = "http://127.0.0.1:9/oauth/token"
"""Where a refresh would go; nothing listens there, and nothing is asked of it but the time."""


@pytest.fixture
def world(tmp_path):
    found = World(tmp_path)
    found.environ["CODEX_REFRESH_TOKEN_URL_OVERRIDE"] = NOBODY
    return found


def codex(bearer, refresh="rt_1"):
    return json.dumps(auth_document(bearer, refresh=refresh))


def cliproxy(bearer, refresh="rt_1", **more):
    return json.dumps(
        {
            "type": "codex",
            "email": "ada@example.com",
            "account_id": "acct-1",
            "id_token": bearer,
            "access_token": bearer,
            "refresh_token": refresh,
            "expired": "2026-12-06T10:11:12Z",
            "last_refresh": "2026-11-26T10:11:12Z",
            "disabled": False,
            **more,
        }
    )


def opencode(bearer, refresh="rt_1"):
    login = {"type": "oauth", "refresh": refresh, "access": bearer, "expires": 0, "accountId": "acct-1"}
    return json.dumps({"openai": login, "anthropic": {"type": "api", "key": "sk-ant-canary"}})


def multi_auth(bearer, refresh="rt_1"):
    account = {"accountId": "acct-1", "refreshToken": refresh, "accessToken": bearer, "enabled": True}
    return json.dumps({"version": 3, "accounts": [account], "activeIndex": 0})


def proxied(bearer, refresh="rt_1"):
    account = {"account_id": "mine", "chatgpt_account_id": "acct-1", "access_token": bearer}
    return json.dumps({**account, "refresh_token": refresh, "token_type": "Bearer", "expiry_date": 0})


FILES = {
    "Codex": (".codex/auth.json", codex),
    "codex-auth": (".codex/accounts/YWNjdC0x.auth.json", codex),
    "scorpiox code or codex-fetchtoken": (".codex/accounts/work.json", codex),
    "CCS": (".ccs/cliproxy/auth/codex-ada@example.com-pro.json", cliproxy),
    "CLIProxyAPI": (".cli-proxy-api/codex-ada@example.com-pro.json", cliproxy),
    "opencode": (".local/share/opencode/auth.json", opencode),
    "codex-multi-auth": (".codex/multi-auth/openai-codex-accounts.json", multi_auth),
    "llm-interactive-proxy": ("project/var/openai_codex_oauth_accounts/mine.json", proxied),
}
"""Where each tool keeps its login, as it writes it."""


def put(world, tool, bearer, refresh="rt_1", *, mode=0o600):
    path, write = FILES[tool]
    return world.write(path, write(bearer, refresh), mode=mode)


def seen(world, *before):
    """Return exit code and the JSON."""
    ran = world.run(*before, "doctor", "--json")
    for secret in ("eyJ", "rt_1", "rt_2", "sk-ant"):
        assert secret not in ran.out + ran.err
    found = json.loads(ran.out)
    assert found["exit_code"] == ran.code, ran.err
    return ran.code, found


def checks(found, name):
    return [check for check in found["checks"] if check["check"].partition(":")[0] == name]


# Copies of logins.


def test_four_tools_with_one_login(world):
    """All four are named, with who refreshes, the risk and one thing to do."""
    bearer = jwt()
    paths = [str(put(world, tool, bearer)) for tool in ("Codex", "CCS", "CLIProxyAPI", "opencode")]
    code, found = seen(world)
    assert code == 3
    (login,) = found["logins"]
    assert sorted(login["copies"]) == sorted(paths)
    assert sorted(login["refreshed_by"]) == ["CCS", "CLIProxyAPI", "Codex", "opencode"]
    assert "hold one refresh token: the second to refresh is refused" in login["risk"]
    assert login["next"]["at"] is None, "CLIProxyAPI does not say when"
    assert "every other copy is dead" in login["next"]["what"]
    assert login["to_do"].startswith("codex-fetchtoken import ")
    assert login["to_do"].endswith(" --neutralise")
    assert found["first"] == login["to_do"]
    assert (login["email"], login["account_id"], login["plan_type"]) == ("ada@example.com", "acct-1", "pro")
    assert {copy["tool"]: copy["place"] for copy in found["copies"]}["opencode"] == paths[3]


def test_its_advice_leads_to_a_machine_with_nothing_wrong(world):
    """Each time the one thing is done that it says, one holder less is left, until one program refreshes."""
    bearer = jwt()
    for tool in ("Codex", "CCS", "CLIProxyAPI", "opencode"):
        put(world, tool, bearer)
    done = []
    code, found = seen(world)
    while code and len(done) < 8:
        program, *words = shlex.split(found["first"])
        assert program == "codex-fetchtoken"
        assert world.run(*words).code == 0, words
        done.append(words[0])
        code, found = seen(world)
    assert (code, done) == (0, ["import", "import", "import", "use"])
    assert [copy["refresh_token"] is None for copy in found["copies"]].count(False) == 1


@pytest.mark.parametrize("tool", FILES)
def test_every_tool_is_found_at_its_place(world, tool):
    """A lone copy of each is found, with the tool's name and when it refreshes."""
    path = put(world, tool, jwt())
    code, found = seen(world)
    (copy,) = found["copies"]
    assert (code, copy["tool"], copy["also"]) == (0, tool, [])
    assert copy["place"].startswith(str(path))
    assert copy["refreshes"] == next(one.refreshes for one in TOOLS if one.name == tool)
    (login,) = found["logins"]
    assert (login["refreshed_by"], login["risk"], login["to_do"]) == ([tool], None, None)


def test_when_it_breaks_is_said_where_that_is_known(world):
    """Codex refreshes five minutes before the end, opencode at the end: Codex is first."""
    bearer = jwt(864_000)
    put(world, "Codex", bearer)
    put(world, "opencode", bearer)
    _, found = seen(world)
    (login,) = found["logins"]
    assert login["next"]["what"] == "Codex refreshes, and every other copy is dead"
    assert login["next"]["at"] < login["expires_at"]


def test_a_link_is_no_copy(world):
    """``use`` makes ``auth.json`` a link to an account's file: one copy, with both names."""
    path = put(world, "scorpiox code or codex-fetchtoken", jwt())
    (world.home / ".codex/auth.json").symlink_to(path)
    code, found = seen(world)
    (copy,) = found["copies"]
    assert code == 0
    assert {copy["place"], *copy["also"]} == {str(path), str(world.home / ".codex/auth.json")}


def test_a_paused_account_refreshes_nothing(world):
    """What CCS has put aside is a copy, and no rival."""
    put(world, "Codex", jwt())
    world.write(".ccs/cliproxy/auth-paused/codex-ada.json", cliproxy(jwt(age_s=5)), mode=0o600)
    code, found = seen(world)
    (login,) = found["logins"]
    assert (code, login["refreshed_by"], len(login["copies"])) == (0, ["Codex"], 2)
    assert [copy["disabled"] for copy in found["copies"]] == [False, True]


def test_the_same_user_with_two_refresh_tokens(world):
    """Two logins, or an old token of one: both are said, and the older one is what must stop."""
    put(world, "Codex", jwt(), "rt_2")
    older = put(world, "opencode", jwt(age_s=500_000), "rt_1")
    code, found = seen(world)
    new, old = sorted(found["logins"], key=lambda login: login["exit_code"])
    assert (code, new["risk"]) == (3, None)
    assert old["copies"] == [str(older)]
    assert "if this is an earlier one of the same login, its use may end both" in old["risk"]
    assert found["first"] == "opencode auth logout"


def test_two_users_of_one_workspace_are_two(world):
    """The account id alone is a workspace, which its members share."""
    auth = "https://api.openai.com/auth"
    for path, user in ((".codex/auth.json", "user-1"), (".codex/accounts/b.json", "user-2")):
        bearer = jwt(age_s=9, **{auth: {"chatgpt_account_id": "acct-1", "chatgpt_user_id": user}})
        world.write(path, codex(bearer, f"rt_of_{user}"), mode=0o600)
    code, found = seen(world)
    assert (code, len(found["logins"])) == (0, 2)


def test_an_access_only_file(world):
    """Nobody refreshes it; what happens at its end is said; an expired one is exit 3."""
    put(world, "Codex", jwt(), "")
    code, found = seen(world)
    (login,) = found["logins"]
    assert (code, login["refreshed_by"], found["copies"][0]["refresh_token"]) == (0, [], None)
    assert login["next"]["what"].startswith("the token expires, unless codex-fetchtoken sync")
    put(world, "Codex", jwt(age_s=864_000), "")
    code, found = seen(world)
    assert (code, found["logins"][0]["risk"]) == (3, "the token is expired, and there is no refresh token")


def test_a_copy_with_an_older_access_token_is_stale(world):
    """One refresh token, two access tokens: the older copy is named."""
    put(world, "Codex", jwt())
    path = put(world, "opencode", jwt(age_s=1000))
    _, found = seen(world)
    assert found["logins"][0]["stale"] == [str(path)]


def test_opencodes_variable_is_a_copy_too(world):
    """``OPENCODE_AUTH_CONTENT`` holds a login as the file does."""
    put(world, "Codex", jwt())
    world.environ["OPENCODE_AUTH_CONTENT"] = opencode(jwt())
    code, found = seen(world)
    assert (code, found["logins"][0]["refreshed_by"]) == (3, ["Codex", "opencode"])
    assert found["first"] == "opencode auth logout"


def test_no_login_at_all(world):
    """Exit 4 with the way to log in."""
    code, found = seen(world)
    assert (code, found["first"], found["copies"]) == (4, "codex-fetchtoken login", [])


def test_a_neighbour_of_another_provider_is_passed_over(world):
    """A Claude file and an API key are no Codex logins, and nothing is wrong with them."""
    put(world, "Codex", jwt())
    world.write(".cli-proxy-api/codex-not.json", json.dumps({"type": "claude", "access_token": "x"}))
    world.write(".local/share/opencode/auth.json", json.dumps({"openai": {"type": "api", "key": "sk-ant"}}))
    code, found = seen(world)
    assert (code, len(found["copies"])) == (0, 1)


# What else is looked at.


@pytest.mark.parametrize(
    ("spoil", "code", "says", "hint"),
    [
        (lambda path: path.chmod(0o644), 8, "is readable by group or others", "chmod 600 "),
        (lambda path: path.chmod(0o400), 8, "is read-only", "chmod 600 "),
        (lambda path: path.with_name("twin").hardlink_to(path), 8, "is hard-linked", "find "),
        (lambda path: path.write_text('{"tokens": '), 7, "is not JSON", "move "),
        (lambda path: path.parent.chmod(0o777), 8, "others can write", "chmod go-w "),
    ],
    ids=["mode", "read-only", "hard link", "torn", "directory"],
)
def test_a_file_with_something_wrong(world, spoil, code, says, hint):
    """The file is named, with what is wrong and what mends it."""
    path = put(world, "Codex", jwt())
    spoil(path)
    got, found = seen(world)
    (check,) = [one for one in checks(found, "file") if one["ok"] is False]
    assert (got, check["exit_code"], check["check"]) == (code, code, f"file:{path}")
    assert says in check["detail"]
    assert check["hint"].startswith(hint)
    assert found["first"] == check["hint"]


def test_an_attempt_in_doubt(world):
    """Exit 5 with the order that a person may give."""
    path = put(world, "Codex", jwt())
    fd = begin(attempt_path(str(path)), Secret("rt_1"), replay=False)
    append(fd, "sending", {}, attempt="auth.json.attempt")
    os.close(fd)
    code, found = seen(world)
    (check,) = checks(found, "attempt")
    assert (code, check["hint"]) == (5, "codex-fetchtoken refresh --force")


def test_directories_can_be_written_and_locked(world):
    """Both are tried and said, and the look leaves nothing behind."""
    put(world, "Codex", jwt())
    before = sorted(world.home.rglob("*"))
    _, found = seen(world)
    assert [check["ok"] for check in checks(found, "writable") + checks(found, "locks")] == [True, True]
    assert sorted(world.home.rglob("*")) == before


def test_a_file_system_without_locks(world, monkeypatch):
    """Exit 5: nothing is exchanged there."""
    put(world, "Codex", jwt())

    def no_locks(_fd):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fetchtoken.commands.doctor_host.is_locked", no_locks)
    code, found = seen(world)
    assert (code, checks(found, "locks")[0]["ok"]) == (5, False)


def test_a_directory_that_is_mounted_read_only(world, monkeypatch):
    """Exit 8, as a refresh there would end."""
    put(world, "Codex", jwt())
    real = os.statvfs

    def read_only(path):
        fields = list(real(path))
        fields[8] |= os.ST_RDONLY
        return os.statvfs_result(fields)

    monkeypatch.setattr(os, "statvfs", read_only)
    code, found = seen(world)
    assert (code, "mounted read-only" in checks(found, "writable")[0]["detail"]) == (8, True)


@pytest.mark.parametrize("key", ["CODEX_REFRESH_TOKEN_URL_OVERRIDE", "CODEX_REVOKE_TOKEN_URL_OVERRIDE"])
def test_an_empty_override_is_a_trap(world, key):
    """Codex takes the empty value for the address; exit 2."""
    put(world, "Codex", jwt(864_000, age_s=1, iss="x"))
    world.write(".config/codex-fetchtoken/scorpiox-env.txt", f"CODEX_REFRESH_TOKEN_URL_OVERRIDE={NOBODY}\n")
    world.environ[key] = " "
    code, found = seen(world)
    assert (code, found["first"]) == (2, f"unset {key}")


def test_what_an_exec_set_is_codex_s(world):
    """Below exec it is said whose the variable is: no token of ours goes there."""
    put(world, "Codex", jwt(864_000, age_s=1, iss="x"))
    key, base = "CODEX_REFRESH_TOKEN_URL_OVERRIDE", "https://broker.example"
    world.environ |= {key: base + "/oauth/token", "CODEX_FETCHTOKEN_STEERED_TO": base}
    _, found = seen(world)
    told = [one["detail"] for one in checks(found, "environment") if key in one["detail"]]
    assert told == [f"{key} is set by the exec around this, for Codex alone"]


@pytest.mark.parametrize("key", ["CODEX_ACCESS_TOKEN", "CODEX_API_KEY"])
def test_a_variable_that_beats_every_login(world, key):
    """Exit 2, naming the variable and never its value."""
    put(world, "Codex", jwt())
    world.environ[key] = "canary-value"
    code, found = seen(world)
    assert (code, found["first"]) == (2, f"unset {key}")
    assert "canary-value" not in json.dumps(found)


def test_a_variable_that_does_nothing_here(world):
    """``OPENAI_API_KEY`` is said to be no login, and nothing is wrong."""
    put(world, "Codex", jwt())
    world.environ["OPENAI_API_KEY"] = "canary-value"
    code, found = seen(world)
    assert code == 0
    assert "Codex does not take it for a login" in json.dumps(checks(found, "environment"))


def test_codex_keeps_its_login_in_memory(world):
    """The store is named where it is not the file."""
    put(world, "Codex", jwt())
    world.write(".codex/config.toml", 'cli_auth_credentials_store = "ephemeral"\n')
    _, found = seen(world)
    assert "Codex's store is ephemeral" in checks(found, "store")[0]["detail"]


def test_a_project_file_that_is_not_trusted(world):
    """Exit 8, and nobody is asked on its word."""
    put(world, "Codex", jwt())
    with Broker(http(200, {})) as server:
        url = f"http://127.0.0.1:{server.port}"
        lines = ["CODEX_TOKEN_SOURCE=local,remote", f"CODEX_REMOTE_URL={url}", "CODEX_HOME=/tmp/evil"]
        world.write("project/scorpiox-env.txt", "\n".join(lines) + "\n")
        code, found = seen(world)
        assert server.accepted == 0
    assert len(found["copies"]) == 1
    assert code == 8
    assert "sets CODEX_REMOTE_URL" in checks(found, "settings")[0]["detail"]


# Who is asked.


def broker_settings(world, url, key="cbk_canary"):
    world.environ |= {
        "CODEX_TOKEN_SOURCE": "remote",
        "CODEX_REMOTE_URL": url,
        "CODEX_REMOTE_API_KEY": key,
    }


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [(200, 0, "takes the key"), (401, 6, "refuses the key"), (403, 6, "refuses the key"),
     (404, 7, "answers 404"), (503, 5, "answers 503")],
)  # fmt: skip
def test_the_broker_is_asked_whose_key_it_is(world, status, code, says):
    """``GET /v1/whoami`` with the key: taken, refused, not there, or down."""
    with Broker(http(status, {}, Date=formatdate(usegmt=True))) as server:
        broker_settings(world, f"http://127.0.0.1:{server.port}/codex/")
        got, found = seen(world)
        assert server.head()[0] == "GET /v1/whoami HTTP/1.1"
        assert "Authorization: Bearer cbk_canary" in server.head()
    (check,) = checks(found, "broker")
    assert (got, says in check["detail"]) == (code, True)


def test_the_broker_is_down(world):
    """Exit 5, and the clock could not be compared."""
    with closed_port() as port:
        broker_settings(world, f"http://127.0.0.1:{port}")
        code, found = seen(world)
    assert (code, checks(found, "clock")[0]["ok"]) == (5, None)


@pytest.mark.parametrize(("lead_s", "way"), [(3600, "behind"), (-3600, "ahead")])
def test_a_wrong_clock(world, lead_s, way):
    """An hour's difference from the broker's ``Date`` is exit 2."""
    with Broker(http(200, {}, Date=formatdate(time.time() + lead_s, usegmt=True))) as server:
        broker_settings(world, f"http://127.0.0.1:{server.port}")
        code, found = seen(world)
    (check,) = checks(found, "clock")
    assert (code, check["ok"], way in check["detail"]) == (2, False, True)


def test_the_issuer_is_asked_for_the_time_and_nothing_else(world):
    """With a local login only; no token goes with the request."""
    put(world, "Codex", jwt())
    with Broker(http(404, {}, Date=formatdate(usegmt=True))) as server:
        world.environ["CODEX_REFRESH_TOKEN_URL_OVERRIDE"] = f"http://127.0.0.1:{server.port}/oauth/token"
        code, found = seen(world)
        assert server.head()[0] == "GET / HTTP/1.1"
        assert b"rt_1" not in server.requests[0]
        assert b"Authorization" not in server.requests[0]
    assert (code, checks(found, "clock")[0]["ok"]) == (0, True)


def test_a_host_that_is_not_there(world):
    """The SSH source: exit 5 where nobody listens."""
    put(world, "Codex", jwt())
    with closed_port() as port:
        world.environ |= {
            "CODEX_TOKEN_SOURCE": "ssh",
            "CODEX_SSH_HOST": "127.0.0.1",
            "CODEX_SSH_PORT": str(port),
        }
        code, found = seen(world)
    assert (code, checks(found, "ssh")[0]["ok"]) == (5, False)


def test_a_host_that_is_not_set(world):
    """The SSH source without a host is exit 2, as a resolve would end."""
    world.environ["CODEX_TOKEN_SOURCE"] = "ssh"
    code, found = seen(world)
    assert (code, found["first"]) == (2, "set CODEX_SSH_HOST")


# For people.


def test_it_reads_well_at_80_columns(world):
    """Lines are wrapped, the home is ``~``, and the last line is the one thing to do first."""
    bearer = jwt()
    for tool in ("Codex", "CLIProxyAPI", "opencode"):
        put(world, tool, bearer)
    ran = world.run("doctor")
    assert ran.code == 3
    assert max(map(len, ran.out.splitlines())) <= 80
    assert str(world.home) not in ran.out
    assert "  copy      Codex: ~/.codex/auth.json" in ran.out
    assert ran.err.splitlines()[-1].startswith("hint: codex-fetchtoken import ")


def test_without_a_finding_it_says_so_by_its_exit_code(world):
    """Nothing on standard error, and 0."""
    put(world, "Codex", jwt())
    ran = world.run("doctor")
    assert (ran.code, ran.err) == (0, "")
    assert "  risk" not in ran.out
