import json
import os
from pathlib import Path

import pytest

from fetchtoken.codex.local_attempt import attempt_path, begin
from fetchtoken.domain.secret import Secret
from fetchtoken.oauth.journal import append
from tests.support.command import World
from tests.support.peers import Broker, closed_port
from tests.support.tokens import answer, http, jwt


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def put(world, bearer, *, refresh="rt_1", **more):
    tokens = {"access_token": bearer, "id_token": bearer, "refresh_token": refresh, "account_id": "acct-1"}
    return world.write(".codex/auth.json", json.dumps({"tokens": tokens, **more}), mode=0o600)


def status(world, *before):
    """Return the exit code and the JSON."""
    ran = world.run(*before, "status", "--json")
    return ran.code, json.loads(ran.out)


def test_a_good_local_login(world):
    """Source, file, account, plan, expiry and who refreshes, as text and as one JSON value."""
    path = put(world, jwt(864_000, age_s=86_400))
    ran = world.run("status")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(
        f"local: {path}\n  account   the default (acct-1)\n  plan      pro\n  expires   "
    )
    assert "(in 8 d 23 h)" in ran.out
    code, found = status(world)
    (view,) = found["sources"]
    assert (code, found["exit_code"], view["problem"]) == (0, 0, None)
    assert (view["source"], view["place"], view["account_id"], view["plan_type"]) == (
        "local",
        str(path),
        "acct-1",
        "pro",
    )
    assert view["refreshed_by"] == "codex-fetchtoken and Codex"
    assert view["refresh_after"] < view["expires_at"]


def test_no_token_is_ever_shown(world):
    """Neither form holds a token."""
    bearer = jwt()
    put(world, bearer)
    shown = world.run("status").out + world.run("status", "--json").out
    assert bearer not in shown
    assert "rt_1" not in shown


@pytest.mark.parametrize(
    ("life_s", "age_s", "more", "code"),
    [
        (864_000, 0, {}, 0),
        (100, 0, {}, 0),
        (100, 0, {"refresh": ""}, 3),
        (10_000, 9_500, {"refresh": ""}, 5),
        (500, 0, {}, 5),
        (864_000, 0, {"refresh": "", "auth_mode": "apikey"}, 3),
    ],
)
def test_the_exit_code_is_that_of_a_resolve(world, life_s, age_s, more, code):
    """What an exchange could cure is 0; what only a person or time can cure has its code."""
    put(world, jwt(life_s, age_s=age_s), **more)
    found_code, found = status(world)
    assert found_code == found["exit_code"] == code
    assert (found["sources"][0]["problem"] is None) == (code == 0)


def test_no_login(world):
    """Exit 4 with the hint of the resolve."""
    ran = world.run("status")
    assert ran.code == 4
    assert ran.err == world.run().err


def test_an_access_only_file_names_sync(world):
    """Who refreshes it is sync."""
    put(world, jwt(), refresh="", auth_mode="chatgptAuthTokens")
    assert status(world)[1]["sources"][0]["refreshed_by"] == "codex-fetchtoken sync"


def test_a_machine_credential_names_the_broker(world):
    """A ``cbr_`` credential is the broker's."""
    put(world, jwt(), refresh="cbr_a_b")
    assert status(world)[1]["sources"][0]["refreshed_by"] == "the broker"


@pytest.mark.parametrize(
    ("life_s", "replay", "code"), [(10_000, False, 0), (10_000, True, 0), (100, False, 5), (100, True, 3)]
)
def test_a_login_in_doubt(world, life_s, replay, code):
    """In doubt is said while the token lives; expired it is exit 5, and 3 where no replay is left."""
    path = attempt_path(str(put(world, jwt(life_s))))
    fd = begin(path, Secret("rt_1"), replay=replay)
    append(fd, "sending", {}, attempt=Path(path).name)
    os.close(fd)
    found_code, found = status(world)
    assert found_code == code
    assert "in doubt" in found["sources"][0]["notes"][0]


def test_the_broker_is_asked(world):
    """A remote source shows what the broker says, and its refusal has its code."""
    with Broker(http(200, answer(jwt())), http(403, {"code": "not_granted"})) as broker:
        url = f"http://127.0.0.1:{broker.port}"
        world.environ.update(
            CODEX_TOKEN_SOURCE="remote", CODEX_REMOTE_URL=url, CODEX_REMOTE_API_KEY="cbk_a_b"
        )
        world.environ["CODEX_CACHE_MAX_AGE"] = "0"
        code, found = status(world)
        (view,) = found["sources"]
        assert (code, view["account"], view["refreshed_by"], view["place"]) == (0, "work", "the broker", url)
        ran = world.run("status")
    assert ran.code == 6
    assert "problem   " in ran.out
    assert "not_granted" in ran.err


def test_a_list_goes_on_like_a_resolve(world):
    """The first source that can helps; where none can, the code is the first one's."""
    with closed_port() as port:
        world.environ.update(CODEX_TOKEN_SOURCE="local,remote", CODEX_REMOTE_URL=f"http://127.0.0.1:{port}")
        code, found = status(world)
        assert code == 4
        assert [view["problem"]["exit_code"] for view in found["sources"]] == [4, 5]
        put(world, jwt()).chmod(0o644)
        code, found = status(world)
        assert (code, len(found["sources"])) == (8, 1)
        put(world, jwt())
        code, found = status(world, "--source", "remote,local")
        assert (code, len(found["sources"])) == (0, 2)
        assert world.run("--source", "remote,local").code == 0


def test_a_login_in_the_keyring(world):
    """The keyring is named as the place, and what is wrong with it."""
    world.write(".codex/config.toml", 'cli_auth_credentials_store = "ephemeral"')
    code, found = status(world)
    assert (code, found["sources"][0]["refreshed_by"]) == (4, "Codex")
