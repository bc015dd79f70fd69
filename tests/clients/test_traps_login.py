"""The real Codex CLI's other ways to log in, and what depends on whose login it is."""

import pytest

from tests.support.codex_cli import worked
from tests.support.codex_files import access_jwt
from tests.support.programs import Machine
from tests.support.walking import start_login

BUNDLE = "/backend-api/wham/config/bundle"
NO_PERSONAL_TOKEN = "failed to decode agent identity JWT"


@pytest.mark.trap("T21")
@pytest.mark.usefixtures("callback_ports")
def test_the_browser_login_goes_to_openai_whatever_it_is_told(codex):
    """Neither option nor variable leads it to a broker: only the device login can be."""
    here = codex.backend.url
    words = ("login", "--experimental_issuer", here)
    with codex.started(*words, CODEX_APP_SERVER_LOGIN_ISSUER=here) as process:
        assert process.stdout is not None
        link = next(line for line in process.stdout if "/oauth/authorize?" in line)
    assert link.strip().startswith("https://auth.openai.com/oauth/authorize?")
    assert codex.backend.requests == []


@pytest.mark.trap("T23")
def test_an_access_token_of_a_login_is_no_personal_access_token(codex):
    """Where Codex wants a personal access token it decodes ours as something else, or goes without any."""
    codex.use_auth_file()
    token = access_jwt(3600)
    codex.backend.accept(token)
    login = codex.do("login", "--with-access-token", said=token)
    assert (login.returncode, NO_PERSONAL_TOKEN in login.stderr) == (1, True)
    run = codex.run(CODEX_ACCESS_TOKEN=token)
    assert run.returncode == 1
    assert {seen.bearer for seen in codex.backend.requests} == {""}


@pytest.mark.trap("T23")
def test_no_format_of_ours_sets_that_variable(office, fetchtoken):
    """The variables that are printed for a shell have other names."""
    printed = fetchtoken(office.enrol(), "--format", "env")
    assert "CODEX_ACCESS_TOKEN" not in printed.replace("OPENAI_CODEX_ACCESS_TOKEN", "")


@pytest.mark.trap("T11")
@pytest.mark.parametrize("plan", ["business", "edu"])
def test_a_workspaces_plan_needs_its_bundle(office, codex, plan):
    """Its policies are loaded first; without them Codex does not start, and asks for no token."""
    machine = office.enrol(plan_type=plan)
    codex.use_auth_file()
    token = machine.token()
    codex.backend.accept(token)
    machine.write(codex.home, token)
    if plan == "business":
        run = codex.run(**machine.environment)
        assert (run.returncode, "cloud config bundle" in run.stderr) == (1, True)
        assert codex.backend.responses == []
    codex.backend.serve(BUNDLE, {})
    assert worked(codex.run(**machine.environment))
    assert machine.refreshes == []


@pytest.mark.trap("T41")
@pytest.mark.usefixtures("callback_ports")
def test_a_login_of_codexs_that_waits_holds_the_port_of_ours(codex, issuer, tmp_path):
    """Ours takes the other port that the issuer knows, and comes to its end."""
    with codex.started("login") as process:
        assert process.stdout is not None
        link = next(line for line in process.stdout if "/oauth/authorize?" in line)
        assert "127.0.0.1%3A1455" in link
        walking = start_login(Machine(tmp_path), issuer, "--browser")
        assert "127.0.0.1%3A1457" in walking.shown("http")
        assert walking.come_back().status == 200
        assert walking.ended().code == 0
