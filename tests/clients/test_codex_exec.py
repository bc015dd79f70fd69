"""The real Codex CLI works with what the programs give it, and never asks for a token itself."""

import json
import os
import subprocess

import pytest

from fetchtoken.domain.secret import Secret
from fetchtoken.formats.codex import ACCESS_ONLY
from tests.clients.conftest import BIN
from tests.support.backend import REPLY

COMMAND = str(BIN / "codex-fetchtoken")


def _assert_worked(codex, run, token):
    """Assert a whole turn with that bearer and no other, and no request for tokens anywhere."""
    bearer = Secret(token).fingerprint()
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == REPLY
    assert len(codex.backend.responses) >= 1
    assert {(seen.bearer, seen.status) for seen in codex.backend.responses} == {(bearer, 200)}
    assert {seen.bearer for seen in codex.backend.requests} <= {bearer, ""}
    assert codex.backend.token_requests == []


def _assert_failed(codex, run, token):
    """Assert that the check above tells a turn that did not come about."""
    with pytest.raises(AssertionError):
        _assert_worked(codex, run, token)
    assert run.returncode == 1
    assert REPLY not in run.stdout
    assert {seen.status for seen in codex.backend.responses} <= {401}


def test_the_file_that_sync_wrote(team, codex):
    """Codex runs a turn with the access-only file, the account in its header."""
    team.fetchtoken("sync", "--codex-home", str(codex.home))
    token = team.fetchtoken().strip()
    codex.backend.accept(token)
    codex.use_auth_file()
    before = (codex.home / "auth.json").read_bytes()
    document = json.loads(before)
    assert document["auth_mode"] == ACCESS_ONLY
    _assert_worked(codex, codex.run(), token)
    assert {seen.account_id for seen in codex.backend.responses} == {document["tokens"]["account_id"]}
    assert (codex.home / "auth.json").read_bytes() == before


def test_the_command_as_the_providers_auth(team, codex):
    """Codex runs a turn with what ``codex-fetchtoken`` prints."""
    token = team.fetchtoken().strip()
    codex.backend.accept(token)
    codex.use_command(COMMAND)
    _assert_worked(codex, codex.run(**team.remote), token)


def test_the_command_with_a_local_file(issuer, codex):
    """Without any broker the command serves Codex from a login that it refreshed itself."""
    login = issuer.mint(life_s=3600, age_s=7200)
    path = login.write(codex.home / "login.json")
    codex.use_command(COMMAND)
    # The new token is known only when the exchange was made: let the backend learn it from the file.
    environment = {"CODEX_CREDENTIALS_FILE": str(path), "CODEX_REFRESH_TOKEN_URL_OVERRIDE": issuer.token_url}
    first = codex.run(**environment)
    assert first.returncode == 1
    token = json.loads(path.read_text())["tokens"]["access_token"]
    codex.backend.requests.clear()
    codex.backend.accept(token)
    _assert_worked(codex, codex.run(**environment), token)
    assert [entry["decision"] for entry in issuer.exchanges()] == ["rotated"]


def test_a_rotation_between_two_turns(team, codex):
    """After a rotation the next turn carries the new token, by file and by command."""
    token = team.rotate()
    codex.backend.accept(token)
    codex.use_command(COMMAND)
    _assert_worked(codex, codex.run(**team.remote), token)
    codex.backend.requests.clear()
    codex.use_auth_file()
    team.fetchtoken("sync", "--codex-home", str(codex.home))
    _assert_worked(codex, codex.run(), token)


def test_the_file_that_adopt_left(team, codex, release):
    """The adopted file holds no refresh token any more and Codex uses it as before."""
    login, path = team.adopt(f"home-{release}")
    assert json.loads(path.read_text())["tokens"]["refresh_token"] == ""
    codex.backend.accept(login.access_token)
    codex.use_auth_file()
    (codex.home / "auth.json").symlink_to(path)
    _assert_worked(codex, codex.run(), login.access_token)
    assert team.issuer.login(login.login_id)["exchanges"] == 0


def test_an_account_that_use_made_the_login(issuer, codex, tmp_path):
    """Codex follows the link, also after the account got another name; switching loses nothing."""
    accounts = codex.home / "accounts"
    accounts.mkdir()
    login = issuer.mint(life_s=3600)
    issuer.mint(email="ann@example.com").write(codex.home / "auth.json")
    login.write(accounts / "work.json")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CODEX_HOME": str(codex.home)}

    def fetchtoken(*words):
        subprocess.run([COMMAND, *words], env=environment, check=True, capture_output=True, timeout=60)

    fetchtoken("use", "work")
    codex.backend.accept(login.access_token)
    codex.use_auth_file()
    assert codex.status().stderr.splitlines()[-1] == "Logged in using ChatGPT"
    _assert_worked(codex, codex.run(), login.access_token)
    fetchtoken("rename", "work", "office")
    codex.backend.requests.clear()
    _assert_worked(codex, codex.run(), login.access_token)
    fetchtoken("use", "ann")
    assert codex.run().returncode == 1
    assert json.loads((accounts / "office.json").read_text()) == login.document


def test_control_a_command_that_fails(team, codex):
    """With ``false`` as the command no bearer is sent and the check fails."""
    token = team.fetchtoken().strip()
    codex.backend.accept(token)
    codex.use_command("false")
    _assert_failed(codex, codex.run(**team.remote), token)
    assert {seen.bearer for seen in codex.backend.responses} <= {""}


def test_control_a_stale_file(team, codex):
    """With a file from before a rotation the backend refuses and the check fails."""
    team.fetchtoken("sync", "--codex-home", str(codex.home))
    old = json.loads((codex.home / "auth.json").read_text())["tokens"]["access_token"]
    token = team.rotate()
    codex.backend.accept(token)
    codex.use_auth_file()
    _assert_failed(codex, codex.run(), token)
    assert {seen.bearer for seen in codex.backend.responses} == {Secret(old).fingerprint()}


def test_control_a_stale_command(team, codex):
    """With a command that prints an old token the backend refuses and the check fails."""
    old = codex.home / "old-token"
    old.write_text(team.fetchtoken())
    token = team.rotate()
    codex.backend.accept(token)
    codex.use_command("cat", str(old))
    _assert_failed(codex, codex.run(), token)


def test_control_a_file_with_a_refresh_token(issuer, codex):
    """A Codex that holds a refresh token does ask the token endpoint, and the check sees it."""
    login = issuer.mint(life_s=3600, age_s=7200)
    login.write(codex.home / "auth.json")
    codex.backend.accept(login.access_token)
    codex.use_auth_file()
    run = codex.run()
    assert codex.backend.token_requests
    with pytest.raises(AssertionError):
        _assert_worked(codex, run, login.access_token)
