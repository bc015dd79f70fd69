"""Where the real Codex CLI sends a credential when somebody logs out, or logs in anew."""

import json

import pytest

from tests.support.codex_cli import worked
from tests.support.codex_files import access_jwt, held, write_codex_file
from tests.support.token_endpoint import Reply, running_endpoint

REVOKE = "/oauth/revoke"
OPENAI = "auth.openai.com"
NO_VARIABLES = {"CODEX_REFRESH_TOKEN_URL_OVERRIDE": "", "CODEX_REVOKE_TOKEN_URL_OVERRIDE": ""}
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def machine(office, codex):
    """A machine whose file says by itself whose credential it holds."""
    machine = office.enrol()
    codex.use_auth_file()
    codex.backend.accept(machine.token())
    machine.write(codex.home, oauth_provenance={"issuer": office.daemon.url, "client_id": "app_x"})
    return machine


def told_openai(internet):
    """Return each address at OpenAI that was asked, with the token in its body."""
    return [(each.path, json.loads(each.body)["token"]) for each in internet.asked_of(OPENAI)]


def revoked_upstream(office):
    return [entry for entry in office.issuer.log() if entry["route"] == f"POST {REVOKE}"]


@pytest.mark.trap("T24")
@pytest.mark.parametrize("words", [["logout"], ["login", "--device-auth", "--experimental_issuer", NOBODY]])
def test_without_a_variable_the_credential_goes_to_openai(codex, machine, internet, words):
    """Logging out, or in anew: provenance is not asked, the credential is in OpenAI's hands, and alive."""
    codex.do(*words, **NO_VARIABLES, **internet.environment)
    assert told_openai(internet) == [(REVOKE, machine.credential)]
    assert machine.state == "live"
    machine.write(codex.home)
    assert worked(codex.run(**machine.environment))


@pytest.mark.trap("T24")
@pytest.mark.parametrize("words", [["logout"], ["login", "--device-auth", "--experimental_issuer", NOBODY]])
def test_with_the_variable_only_that_machine_loses_access(office, codex, machine, internet, words):
    """Its credential ends at the broker; OpenAI, the issuer and the account's other machine hear nothing."""
    other = office.enrol(of=machine)
    before = len(revoked_upstream(office))
    codex.do(*words, **{**internet.environment, **machine.environment})
    assert (machine.state, other.state) == ("revoked", "live")
    assert (told_openai(internet), len(revoked_upstream(office))) == ([], before)
    assert office.issuer.alive(machine.login.access_token)
    file = other.write(codex.home)
    assert worked(codex.run(**other.environment))
    assert held(file)["access_token"] == machine.login.access_token


@pytest.mark.trap("T25")
def test_the_variable_for_refreshes_alone_loses_the_path(codex, machine, internet):
    """Its host is asked at the root, so that only a broker without a path of its own hears of it."""
    with running_endpoint(lambda _: Reply(200, {})) as endpoint:
        prefixed = endpoint.url.replace("/oauth", "/team/oauth")
        variables = {**NO_VARIABLES, "CODEX_REFRESH_TOKEN_URL_OVERRIDE": prefixed}
        codex.do("logout", **{**internet.environment, **variables})
        assert endpoint.paths == [REVOKE]
        assert endpoint.posts[0]["token"] == machine.credential
    assert told_openai(internet) == []


@pytest.mark.trap("T26")
@pytest.mark.parametrize("status", [0, 503], ids=["nobody there", "503"])
def test_a_logout_that_reached_nobody_is_called_a_success(codex, machine, status):
    """The file is gone, the exit code is 0, and the credential goes on: an administrator must end it."""
    with running_endpoint(lambda _: Reply(status)) as endpoint:
        run = codex.logout(CODEX_REVOKE_TOKEN_URL_OVERRIDE=endpoint.url if status else NOBODY)
        assert len(endpoint.posts) == bool(status)
    assert (run.returncode, run.stderr.splitlines()[-1]) == (0, "Successfully logged out")
    assert not (codex.home / "auth.json").exists()
    assert machine.state == "live"
    machine.office.daemon.call("client_revoke", name=machine.name)
    assert machine.state == "revoked"


@pytest.mark.trap("T27")
def test_an_empty_refresh_token_makes_it_post_the_access_token(codex):
    """Where the file says ``chatgpt``, a token that other machines use would be handed to be revoked."""
    codex.use_auth_file()
    token = access_jwt(3600)
    write_codex_file(codex.home, token, refresh_token="")
    with running_endpoint(lambda _: Reply(200, {})) as endpoint:
        codex.logout(CODEX_REVOKE_TOKEN_URL_OVERRIDE=endpoint.url)
    assert endpoint.posts == [{"token": token, "token_type_hint": "access_token"}]


@pytest.mark.trap("T27")
def test_the_file_that_sync_wrote_is_logged_out_in_silence(codex, machine, internet, fetchtoken):
    """An access-only file tells nobody anything, and no other machine is harmed."""
    (codex.home / "auth.json").unlink()
    fetchtoken(machine, "sync", "--codex-home", str(codex.home))
    run = codex.do("logout", **NO_VARIABLES, **internet.environment)
    assert run.returncode == 0
    assert internet.asked == []
    assert codex.backend.requests == []
    assert machine.office.issuer.alive(machine.token())


@pytest.mark.trap("T22")
def test_a_login_ends_the_former_one_before_it_has_a_new_one(codex, machine):
    """It fails at once, and the machine is left without any login."""
    run = codex.do("login", "--device-auth", "--experimental_issuer", NOBODY, **machine.environment)
    assert run.returncode == 1
    assert not (codex.home / "auth.json").exists()
    assert machine.state == "revoked"
