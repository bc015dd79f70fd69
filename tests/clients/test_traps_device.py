"""What the real Codex CLI makes of each answer in its device login: on that the broker's answers rest."""

from itertools import chain, repeat

import pytest

from tests.support.codex_cli import worked
from tests.support.codex_files import access_jwt, held, id_jwt
from tests.support.token_endpoint import Reply, running_endpoint

USERCODE, POLL, TOKEN = "/api/accounts/deviceauth/usercode", "/api/accounts/deviceauth/token", "/oauth/token"
CODE = {"device_auth_id": "d", "user_code": "ABCD-EFGH", "interval": "0"}
APPROVED = {"authorization_code": "ac", "code_challenge": "c", "code_verifier": "v"}


@pytest.fixture
def tokens(codex):
    """What a login brings, unless a test takes some of it away."""
    codex.use_auth_file()
    access_token = access_jwt(3600)
    codex.backend.accept(access_token)
    return {"id_token": id_jwt(), "access_token": access_token, "refresh_token": "cbr_1"}


@pytest.fixture
def login(codex, tokens):
    """Log in at an issuer whose replies to each path are these, the last one for ever."""
    usual = {USERCODE: [Reply(200, CODE)], POLL: [Reply(200, APPROVED)], TOKEN: [Reply(200, tokens)]}

    def run(replies):
        told = {path: chain(some, repeat(some[-1])) for path, some in (usual | replies).items()}
        with running_endpoint(lambda _: next(told[endpoint.paths[-1]])) as endpoint:
            issuer = endpoint.url.removesuffix(TOKEN)
            return codex.do("login", "--device-auth", "--experimental_issuer", issuer), endpoint

    return run


@pytest.fixture
def file(codex):
    return codex.home / "auth.json"


@pytest.mark.trap("T47")
def test_a_device_login_brings_what_leads_to_its_issuer(codex, login, tokens, file):
    """Control of the others: a file with all three tokens, the account and where it came from; turns work."""
    done, endpoint = login({})
    assert done.returncode == 0, done.stderr
    kept = held(file)
    assert {key: kept[key] for key in tokens} == tokens
    assert kept["account_id"] == "acct-1"
    assert kept["oauth_provenance"]["issuer"] == endpoint.url.removesuffix(TOKEN)
    assert worked(codex.run())


CODES = {
    "interval is a number": ({**CODE, "interval": 5}, "invalid type: integer"),
    "the code has two names": ({**CODE, "usercode": "ABCD-EFGH"}, "duplicate field"),
}


@pytest.mark.trap("T43")
@pytest.mark.parametrize(("code", "said"), CODES.values(), ids=CODES)
def test_a_code_that_is_not_quite_as_expected_ends_the_login(login, file, code, said):
    """Before the user has seen it."""
    done, endpoint = login({USERCODE: [Reply(200, code)]})
    assert (done.returncode, said in done.stderr) == (1, True), done.stderr
    assert endpoint.paths == [USERCODE]
    assert not file.exists()


@pytest.mark.trap("T43")
def test_without_an_interval_it_asks_without_a_pause(login):
    """As fast as the network lets it, until it is told its code."""
    code = {key: value for key, value in CODE.items() if key != "interval"}
    done, endpoint = login({USERCODE: [Reply(200, code)], POLL: [*[Reply(403)] * 50, Reply(200, APPROVED)]})
    assert done.returncode == 0, done.stderr
    assert endpoint.paths.count(POLL) == 51


@pytest.mark.trap("T44")
@pytest.mark.parametrize("status", [400, 401, 410, 429, 500, 503])
def test_what_is_neither_403_nor_404_ends_the_login(login, file, status):
    """``slow_down``, a limit or an outage for a moment, and the user has to begin anew."""
    replies = [Reply(403), Reply(404), Reply(status, {"error": "slow_down"}), Reply(200, APPROVED)]
    done, endpoint = login({POLL: replies})
    assert done.returncode == 1
    assert f"device auth failed with status {status}" in done.stderr
    assert endpoint.paths.count(POLL) == 3
    assert not file.exists()


@pytest.mark.trap("T45")
@pytest.mark.parametrize("missing", ["id_token", "access_token", "refresh_token"])
def test_all_three_tokens_are_wanted(login, tokens, file, missing):
    """Otherwise the approved login is thrown away."""
    some = {key: value for key, value in tokens.items() if key != missing}
    done, _ = login({TOKEN: [Reply(200, some)]})
    assert (done.returncode, "OAuth token response is invalid" in done.stderr) == (1, True)
    assert not file.exists()


@pytest.mark.trap("T46")
def test_an_id_token_without_an_account_leaves_a_login_that_is_never_renewed(codex, login, tokens, file):
    """The login succeeds; but no refresh is ever sent for it, and Codex speaks of a logout."""
    nobody = {**tokens, "id_token": id_jwt(account=None), "access_token": access_jwt(-60)}
    done, endpoint = login({TOKEN: [Reply(200, nobody)]})
    assert done.returncode == 0, done.stderr
    assert held(file).get("account_id") is None
    run = codex.run(CODEX_REFRESH_TOKEN_URL_OVERRIDE=endpoint.url)
    assert (run.returncode, "since logged out or signed in to another account" in run.stderr) == (1, True)
