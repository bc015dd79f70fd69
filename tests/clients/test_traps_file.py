"""The real Codex CLI with an access-only file: it asks nobody for a token, and reads again when refused."""

import json

import pytest

from fetchtoken.domain.secret import Secret
from tests.support.codex_cli import worked
from tests.support.codex_files import access_jwt, held, write_codex_file

ACCESS_ONLY = {"auth_mode": "chatgptAuthTokens", "refresh_token": ""}


@pytest.fixture
def machine(office, codex):
    """A machine whose account's token the backend takes."""
    machine = office.enrol()
    codex.use_auth_file()
    codex.backend.accept(machine.token())
    return machine


def seen(codex):
    return [(each.bearer, each.status) for each in codex.backend.responses]


@pytest.mark.trap("T28")
def test_an_access_only_token_is_never_renewed_though_it_has_ended(codex):
    """It is sent as it is, however old, and no token endpoint is asked: somebody else must renew it."""
    token = access_jwt(-3600)
    codex.backend.accept(token)
    codex.use_auth_file()
    file = write_codex_file(codex.home, token, last_refresh="2026-01-01T00:00:00Z", **ACCESS_ONLY)
    before = file.read_bytes()
    assert worked(codex.run())
    codex.backend.accept(access_jwt(3600))
    assert codex.run().returncode == 1
    assert codex.backend.token_requests == []
    assert file.read_bytes() == before


@pytest.mark.trap("T29")
def test_a_rotation_in_mid_session_reaches_a_session_by_sync(codex, machine, fetchtoken):
    """The session meets one refusal, reads the file that ``sync`` wrote meanwhile, and goes on with it."""
    fetchtoken(machine, "sync", "--codex-home", str(codex.home))
    old = machine.token()

    def rotated():
        codex.backend.accept(machine.rotate(), elsewhere=old)
        fetchtoken(machine, "sync", "--codex-home", str(codex.home))

    codex.backend.meanwhile(rotated)
    assert worked(codex.run())
    new = Secret(machine.token()).fingerprint()
    old = Secret(old).fingerprint()
    assert seen(codex) == [(old, 200), (old, 401), (new, 200)]
    assert codex.backend.token_requests == []


@pytest.mark.trap("T29")
def test_without_a_sync_the_session_ends(codex, machine, fetchtoken):
    """Control: the file alone carries the newer token, and a later ``sync`` is all that is needed."""
    fetchtoken(machine, "sync", "--codex-home", str(codex.home))
    old = machine.token()
    codex.backend.meanwhile(lambda: codex.backend.accept(machine.rotate(), elsewhere=old))
    assert codex.run().returncode == 1
    fetchtoken(machine, "sync", "--codex-home", str(codex.home))
    assert worked(codex.run())


BROKEN = {
    "no id token": {"id_token": None},
    "no account": {"account_id": None},
    "another mode": {"auth_mode": "chatgpt_auth_tokens"},
    "no last refresh": {"last_refresh": None},
}


@pytest.mark.trap("T30")
@pytest.mark.parametrize("changes", BROKEN.values(), ids=BROKEN)
def test_a_file_that_lacks_anything_is_used_without_a_word(codex, changes):
    """No error names the file: the request goes out without a bearer, or without its account."""
    token = access_jwt(3600)
    codex.backend.accept(token)
    codex.use_auth_file()
    write_codex_file(codex.home, token, **{**ACCESS_ONLY, **changes})
    codex.run()
    bearer = Secret(token).fingerprint()
    full = {(each.bearer, each.account_id) for each in codex.backend.responses} == {(bearer, "acct-1")}
    assert not full


@pytest.mark.trap("T30")
def test_what_sync_writes_lacks_nothing(codex, machine, fetchtoken):
    """Bearer and account stand in every request for a model."""
    fetchtoken(machine, "sync", "--codex-home", str(codex.home))
    assert worked(codex.run())
    account_id = machine.login.account_id
    assert {(each.status, each.account_id) for each in codex.backend.responses} == {(200, account_id)}
    document = json.loads((codex.home / "auth.json").read_text())
    assert document["auth_mode"] == ACCESS_ONLY["auth_mode"]
    assert held(codex.home / "auth.json")["id_token"].count(".") == 2
