"""What the real Codex CLI takes for the end of a login and what for passing, and what its storms cost."""

import pytest

from tests.support.codex_cli import worked
from tests.support.codex_files import access_jwt, held, write_codex_file
from tests.support.token_endpoint import Reply, running_endpoint
from tests.support.wait import until_sync

SIGN_IN = "log out and sign in again"
REVOKED = "because your refresh token was revoked"
EXPIRED = "because your refresh token has expired"
STORM = 12
"""A run whose refreshes fail for a passing reason posts at least so often."""


@pytest.fixture
def machine(office, codex):
    """A machine whose account's token the backend takes, with a file whose token has ended."""
    machine = office.enrol()
    codex.use_auth_file()
    codex.backend.accept(machine.token())
    machine.write(codex.home)
    return machine


def revoke(machine):
    machine.office.daemon.call("client_revoke", name=machine.name)


def disable(machine):
    machine.office.daemon.call("account_disable", name=machine.name)


@pytest.mark.trap("T12")
def test_an_expired_credential_is_called_expired(office, codex):
    """By the other code."""
    machine = office.enrol(expires_s=1)
    codex.use_auth_file()
    machine.write(codex.home)
    until_sync(lambda: machine.state == "expired")
    run = codex.run(**machine.environment)
    assert (run.returncode, EXPIRED in run.stderr) == (1, True)


SHAPES = {
    "nested": (403, {"error": {"code": "refresh_token_invalidated", "message": "by us"}}),
    "string": (400, {"error": "refresh_token_invalidated", "error_description": "by us"}),
    "top": (403, {"code": "refresh_token_invalidated", "detail": "by us"}),
}


@pytest.mark.trap("T12", "T14", "T15")
@pytest.mark.parametrize(("status", "document"), SHAPES.values(), ids=SHAPES)
def test_the_code_is_found_anywhere_and_whatever_the_status(codex, status, document):
    """Only the three codes are looked for, and what else is said is not shown."""
    codex.use_auth_file()
    write_codex_file(codex.home, access_jwt(-60))
    with running_endpoint(lambda _: Reply(status, document)) as endpoint:
        run = codex.run(CODEX_REFRESH_TOKEN_URL_OVERRIDE=endpoint.url)
    assert (run.returncode, REVOKED in run.stderr, "by us" in run.stderr) == (1, True, False)
    assert 0 < len(endpoint.posts) < STORM


@pytest.mark.trap("T13")
@pytest.mark.parametrize(("status", "error"), [(401, "token_expiring"), (401, ""), (400, "invalid_grant")])
def test_any_401_sends_the_user_to_sign_in(codex, status, error):
    """And so does ``invalid_grant``: whatever passes must be said in another way."""
    codex.use_auth_file()
    write_codex_file(codex.home, access_jwt(-60))
    with running_endpoint(lambda _: Reply(status, {"error": error} if error else b"")) as endpoint:
        run = codex.run(CODEX_REFRESH_TOKEN_URL_OVERRIDE=endpoint.url)
    assert (run.returncode, SIGN_IN in run.stderr) == (1, True)


@pytest.mark.trap("T13", "T15", "T18")
def test_a_disabled_account_passes(office, codex, machine):
    """A storm of posts that costs nothing and harms nobody; once it is enabled, the same file works."""
    file = machine.write(codex.home)
    before = file.read_bytes()
    disable(machine)
    run = codex.run(**machine.environment)
    assert (run.returncode, SIGN_IN in run.stderr) == (1, False)
    until_sync(lambda: len(machine.refreshes) >= STORM)
    assert set(machine.refreshes) == {(403, "account_disabled")}
    assert machine.exchanges == 0
    assert file.read_bytes() == before
    other = office.enrol()
    assert office.daemon.get("/codex", other.key).status == 200
    office.daemon.call("account_enable", name=machine.name)
    assert worked(codex.run(**machine.environment))


@pytest.mark.trap("T2", "T13")
def test_a_login_of_elsewhere_is_not_called_ended(office, codex, machine):
    """A variable that was left in a shell sends a real login here: its user is not told to throw it away."""
    login = office.issuer.mint(age_s=20 * 86_400)
    before = login.write(codex.home / "auth.json").read_bytes()
    run = codex.run(**machine.environment)
    assert run.returncode == 1
    assert "Failed to refresh token: 400 Bad Request" in run.stderr
    assert SIGN_IN not in run.stderr
    assert (codex.home / "auth.json").read_bytes() == before
    assert office.issuer.login(login.login_id)["exchanges"] == 0


@pytest.mark.trap("T5", "T13", "T15")
def test_a_token_that_soon_ends_is_not_handed_out(office, codex):
    """With the issuer down and five minutes left the broker says 503, and the run ends instead of hanging."""
    office.issuer.fault("503", times=-1)
    try:
        machine = office.enrol(life_s=600, age_s=300)
        codex.use_auth_file()
        machine.write(codex.home)
        run = codex.run(**machine.environment)
        assert (run.returncode, SIGN_IN in run.stderr) == (1, False)
        until_sync(lambda: len(machine.refreshes) >= STORM)
        assert {status for status, _ in machine.refreshes} == {503}
    finally:
        office.issuer.clear_faults()


@pytest.mark.trap("T15")
def test_no_one_waits_because_he_is_told_to(codex):
    """``Retry-After`` changes nothing: an hour of waiting is over at once."""
    codex.use_auth_file()
    write_codex_file(codex.home, access_jwt(-60))
    with running_endpoint(lambda _: Reply(429, {}, {"Retry-After": "3600"})) as endpoint:
        run = codex.run(CODEX_REFRESH_TOKEN_URL_OVERRIDE=endpoint.url)
    assert (run.returncode, SIGN_IN in run.stderr) == (1, False)
    assert len(endpoint.posts) >= STORM


@pytest.mark.trap("T16")
@pytest.mark.parametrize(("first", "ends"), [(503, 0), (401, 1)], ids=["passing", "final"])
def test_a_session_forgives_what_passes_and_nothing_else(codex, first, ends):
    """After one refusal for good a running session never asks again, though the next answer would be good."""
    old, good = access_jwt(1800), access_jwt(3600)
    codex.use_auth_file()
    codex.backend.accept(good, elsewhere=old)
    write_codex_file(codex.home, old)
    replies = [Reply(first, {"error": "refresh_token_expired"} if ends else {})]

    def answer(_):
        return replies.pop() if replies else Reply(200, {"access_token": good})

    with running_endpoint(answer) as endpoint:
        run = codex.run(CODEX_REFRESH_TOKEN_URL_OVERRIDE=endpoint.url)
    assert run.returncode == ends, run.stderr
    assert (len(endpoint.posts) == 1) == bool(ends)


@pytest.mark.trap("T17")
def test_a_failed_refresh_does_not_end_a_run_whose_token_is_taken(codex, machine):
    """Four minutes before its end Codex asks anew; nobody answers, and the turn comes to its end."""
    token = access_jwt(240)
    codex.backend.accept(token)
    machine.write(codex.home, token)
    nobody = {"CODEX_REFRESH_TOKEN_URL_OVERRIDE": "http://127.0.0.1:9/oauth/token"}
    assert worked(codex.run(**nobody))


@pytest.mark.trap("T18")
def test_no_refusal_takes_the_file_away(codex, machine):
    """A revoked machine keeps its file, credential and all, until somebody logs it out."""
    file = machine.write(codex.home)
    before = file.read_bytes()
    revoke(machine)
    assert codex.run(**machine.environment).returncode == 1
    assert file.read_bytes() == before
    assert held(file)["refresh_token"] == machine.credential
