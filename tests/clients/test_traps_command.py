"""The real Codex CLI with a command that prints its bearer: what it makes of each output and failure."""

import os
import socket

import pytest

from fetchtoken.domain.secret import Secret
from tests.clients.conftest import BIN
from tests.support.codex_cli import worked
from tests.support.codex_files import access_jwt, write_codex_file

COMMAND = str(BIN / "codex-fetchtoken")
EVERYTHING_IS_SAID = "Failed to resolve external auth"


@pytest.fixture
def machine(office, codex):
    """A machine whose account's token the backend takes."""
    machine = office.enrol()
    codex.backend.accept(machine.token())
    return machine


@pytest.fixture
def script(tmp_path):
    """Write a shell script that counts its runs; return its path."""

    def write(text):
        path = tmp_path / "token.sh"
        path.write_text(f'#!/bin/sh\necho run >> "{tmp_path}/runs"\n{text}\n')
        path.chmod(0o755)
        return str(path)

    return write


def runs(tmp_path):
    return (tmp_path / "runs").read_text().count("run")


def bearers(codex):
    return [seen.bearer for seen in codex.backend.responses]


FAILURES = {
    "exits": "exit 3",
    "prints and exits": "echo some-token; exit 3",
    "is silent": "exit 0",
    "hangs": "exec sleep 60",
}


@pytest.mark.trap("T31", "T32")
@pytest.mark.parametrize("text", FAILURES.values(), ids=FAILURES)
def test_a_command_that_fails_has_the_request_sent_without_a_bearer(codex, script, tmp_path, text):
    """Nothing ends the run: a model is asked by nobody in particular, the command run at every need."""
    codex.use_command(script(text), more="timeout_ms = 300\n")
    run = codex.run()
    assert run.returncode == 1
    assert EVERYTHING_IS_SAID in run.stderr
    assert set(bearers(codex)) == {""}
    assert runs(tmp_path) > 2


@pytest.mark.trap("T31")
def test_a_command_that_is_not_on_codexs_path_is_missing(codex, machine):
    """A name without directories is looked for where Codex was started, be it a desktop or cron."""
    codex.use_command("codex-fetchtoken")
    environment = {**machine.remote, "PATH": os.defpath}
    run = codex.run(**environment)
    assert (run.returncode, EVERYTHING_IS_SAID in run.stderr) == (1, True)
    assert set(bearers(codex)) == {""}
    codex.backend.requests.clear()
    codex.use_command(COMMAND)
    assert worked(codex.run(**environment))


@pytest.mark.trap("T31", "T39")
@pytest.mark.parametrize("trouble", ["broker down", "key revoked"])
def test_our_command_prints_nothing_where_it_fails(codex, machine, trouble):
    """No bearer leaves, wrong or half, and what is wrong stands on Codex's screen without a secret."""
    remote = dict(machine.remote)
    if trouble == "broker down":
        remote["CODEX_REMOTE_URL"] = "http://127.0.0.1:9"
    else:
        machine.office.daemon.call("client_revoke", name=machine.name)
    codex.use_command(COMMAND, "--timeout", "4")
    run = codex.run(**remote)
    assert run.returncode == 1
    assert set(bearers(codex)) == {""}
    assert "codex-fetchtoken: " in run.stderr
    assert "hint: " in run.stderr
    assert machine.key not in run.stderr


@pytest.mark.trap("T32")
def test_our_command_speaks_before_codex_ends_it(codex, machine):
    """A broker that never answers is named by the command, where Codex would only say that it took long."""
    codex.use_command(COMMAND, "--timeout", "0.3")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        run = codex.run(**{**machine.remote, "CODEX_REMOTE_URL": url})
    assert run.returncode == 1
    assert "exited with status exit status: 5: codex-fetchtoken: " in run.stderr
    assert "gave no answer" in run.stderr
    assert set(bearers(codex)) == {""}


@pytest.mark.trap("T33")
@pytest.mark.parametrize(
    ("text", "bearer"),
    [
        ("printf '  good \\r\\n\\n'", "good"),
        ("printf 'good\\ngood\\n'", ""),
        ('echo \'{"access_token":"good"}\'', '{"access_token":"good"}'),
    ],
    ids=["blanks", "two lines", "JSON"],
)
def test_the_whole_output_is_the_bearer(codex, script, text, bearer):
    """Trimmed and otherwise as it is; where that fits in no header, none is sent, in silence."""
    codex.backend.accept("good")
    codex.use_command(script(text))
    run = codex.run()
    expected = Secret(bearer).fingerprint() if bearer else ""
    assert set(bearers(codex)) == {expected}
    assert worked(run) == (bearer == "good")


@pytest.mark.trap("T34")
def test_a_command_is_run_once_and_again_after_a_401(codex, script, tmp_path):
    """A session keeps its bearer until the backend refuses it, and then has one more try."""
    tokens = tmp_path / "token"
    tokens.write_text("old")
    codex.backend.accept("old")

    def rotated():
        tokens.write_text("new")
        codex.backend.accept("new", elsewhere="old")

    codex.backend.meanwhile(lambda: None, rotated)
    codex.use_command(script(f'cat "{tokens}"'))
    assert worked(codex.run())
    assert runs(tmp_path) == 2
    seen = [(each.bearer, each.status) for each in codex.backend.responses]
    old, new = Secret("old").fingerprint(), Secret("new").fingerprint()
    assert seen == [(old, 200), (old, 200), (old, 401), (new, 200)]


@pytest.mark.trap("T34")
@pytest.mark.parametrize("by", ["setting", "option"])
def test_our_command_has_the_newer_token_after_a_401(codex, machine, by):
    """A rotation in mid-session, after which the backend refuses the former token: the turn goes on."""
    old = machine.token()
    codex.backend.meanwhile(lambda: codex.backend.accept(machine.rotate(), elsewhere=old))
    ages = {"setting": ("0", []), "option": ("", ["--cache-max-age", "0"])}
    age, words = ages[by]
    codex.use_command(COMMAND, *words, "--timeout", "4")
    assert worked(codex.run(**{**machine.remote, "CODEX_CACHE_MAX_AGE": age}))
    new = Secret(machine.token()).fingerprint()
    old = Secret(old).fingerprint()
    seen = [(each.bearer, each.status) for each in codex.backend.responses]
    assert seen == [(old, 200), (old, 401), (new, 200)]


@pytest.mark.trap("T34")
def test_a_copy_that_needs_no_contact_ends_a_session_after_a_rotation(codex, machine):
    """By default a copy is printed for minutes without a question, the second time too."""
    old = machine.token()
    codex.backend.meanwhile(lambda: codex.backend.accept(machine.rotate(), elsewhere=old))
    codex.use_command(COMMAND, "--timeout", "4")
    assert codex.run(**{**machine.remote, "CODEX_CACHE_MAX_AGE": ""}).returncode == 1


@pytest.mark.trap("T34")
def test_with_the_broker_down_our_command_goes_on_with_its_copy(office, codex, machine):
    """Asking each time costs nothing while nobody answers: the copy is printed, with a note."""
    codex.use_command(COMMAND, "--timeout", "4")
    assert worked(codex.run(**machine.remote))
    office.daemon.stop()
    try:
        assert worked(codex.run(**machine.remote))
    finally:
        office.daemon.start()


@pytest.mark.trap("T35")
def test_the_account_must_be_named_beside_the_command(codex, machine):
    """A bearer alone goes without the account's header, which a line in the configuration brings."""
    codex.use_command(COMMAND)
    assert worked(codex.run(**machine.remote))
    account_id = machine.login.account_id
    codex.use_command(COMMAND, headers={"ChatGPT-Account-Id": account_id})
    assert worked(codex.run(**machine.remote))
    assert [seen.account_id for seen in codex.backend.responses] == ["", account_id]


@pytest.mark.trap("T36")
def test_login_status_knows_nothing_of_a_command(codex, machine):
    """It says that nobody is logged in, where every turn works."""
    codex.use_command(COMMAND)
    assert worked(codex.run(**machine.remote))
    status = codex.status()
    assert (status.returncode, status.stderr.splitlines()[-1]) == (1, "Not logged in")


@pytest.mark.trap("T37")
def test_a_login_beside_the_command_is_used_and_renewed(codex, machine):
    """All but the model is asked with the login of ``auth.json``, whose refresh token is spent for it."""
    login = access_jwt(-60)
    write_codex_file(codex.home, login)
    codex.use_command(COMMAND)
    assert worked(codex.run(**machine.remote))
    assert {seen.path for seen in codex.backend.token_requests} == {"/oauth/token"}
    beside = {seen.bearer for seen in codex.backend.requests} - {Secret(machine.token()).fingerprint(), ""}
    assert beside == {Secret(login).fingerprint()}


@pytest.mark.trap("T38")
@pytest.mark.parametrize(
    "line",
    [
        'env_key = "TOKEN"',
        'experimental_bearer_token = "x"',
        "requires_openai_auth = true",
        "auth.timeout_ms = 0",
    ],
)
def test_a_command_beside_another_way_in_is_no_configuration(codex, machine, line):
    """Codex does not start: no turn, and no other command of its either."""
    codex.use_command(COMMAND)
    config = codex.home / "config.toml"
    where = "[model_providers.fake]\n"
    text = config.read_text()
    if line.startswith("auth."):
        text += line.removeprefix("auth.") + "\n"
    else:
        text = text.replace(where, f"{where}{line}\n")
    config.write_text(text)
    run = codex.run(**machine.remote)
    assert run.returncode == 1
    assert codex.backend.requests == []
    assert "config" in run.stderr.lower()


@pytest.mark.trap("T40")
def test_a_project_that_codex_works_in_cannot_lead_the_command_away(codex, machine):
    """The command runs there; the project's word for where the broker is counts for nothing."""
    settings = codex.home.parent / ".config" / "codex-fetchtoken" / "scorpiox-env.txt"
    settings.parent.mkdir(parents=True, mode=0o700)
    settings.touch(mode=0o600)
    settings.write_text("".join(f"{name}={value}\n" for name, value in machine.remote.items()))
    codex.use_command(COMMAND)
    assert worked(codex.run())
    codex.backend.requests.clear()
    (codex.home / "scorpiox-env.txt").write_text(f"CODEX_REMOTE_URL={codex.backend.url}\n")
    run = codex.run()
    assert (run.returncode, "scorpiox-env.txt" in run.stderr) == (1, True)
    assert {seen.bearer for seen in codex.backend.requests} == {""}


@pytest.mark.trap("T48")
def test_a_key_that_is_misspelt_is_passed_over(codex, script, tmp_path):
    """The command gets the usual five seconds, and not the one that was meant."""
    codex.backend.accept("good")
    codex.use_command(script("echo good"), more="timout_ms = 1\n")
    assert worked(codex.run())
    assert runs(tmp_path) == 1
