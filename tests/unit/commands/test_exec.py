import json
import os
import signal
import subprocess
import sys

import pytest

from fetchtoken.commands.exec import environment_for
from fetchtoken.domain.errors import Malformed
from fetchtoken.domain.token import Token
from tests.support.command import World
from tests.support.laptop import EXPIRED
from tests.support.logins import write_auth
from tests.support.programs import FETCHTOKEN, program
from tests.support.tokens import jwt

SHOW = (sys.executable, "-c", "import json, os; print(json.dumps({**os.environ, 'pid': os.getpid()}))")


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    write_auth(world.home / ".codex/auth.json", jwt(), refresh="rt_1")
    return world


def shown(world, *words):
    ran = world.process(*words, "exec", "--", *SHOW)
    assert (ran.code, ran.err) == (0, "")
    return json.loads(ran.out)


def test_the_program_finds_the_token(world):
    """Three variables, and never the one that Codex takes for a personal access token."""
    seen = shown(world)
    assert seen["OPENAI_CODEX_ACCESS_TOKEN"] == world.run().out.strip()
    assert seen["OPENAI_CODEX_ACCOUNT_ID"] == "acct-1"
    assert seen["OPENAI_CODEX_EXPIRES_AT"].endswith("Z")
    assert "CODEX_ACCESS_TOKEN" not in seen
    assert "OPENCODE_AUTH_CONTENT" not in seen


def test_our_own_secrets_stay_here(world):
    """API key and SSH password are not the program's business; all else is passed on."""
    secrets = ("CODEX_REMOTE_API_KEY", "TOKEN_HTTP_API_KEY", "CODEX_SSH_PASS")
    world.environ.update(dict.fromkeys(secrets, "cbk_canary"))
    world.environ.update(CODEX_REMOTE_URL="https://broker.example.com", EDITOR="ed")
    seen = shown(world)
    assert "cbk_canary" not in seen.values()
    assert (seen["EDITOR"], seen["CODEX_REMOTE_URL"]) == ("ed", "https://broker.example.com")


def test_options_before_it_choose_the_token(world):
    """As for a plain resolve; words after the program are the program's own."""
    write_auth(world.home / ".codex/accounts/work.json", jwt(), refresh="rt_2", account_id="acct-2")
    options = ("--account", "work", "--min-valid", "60", "--no-refresh", "--no-cache", "--timeout", "9")
    assert shown(world, *options)["OPENAI_CODEX_ACCOUNT_ID"] == "acct-2"
    ran = world.process("exec", "printf", "%s|", "--account", "-v", "--")
    assert ran.out == "--account|-v|--|"


def test_it_takes_the_place_of_the_command(world):
    """The same process, whose exit code and signals are the program's; no alarm is left behind."""
    argv = [program(FETCHTOKEN), "--timeout", "1.5", "exec", sys.executable, "-c"]
    code = (
        "import os, signal, sys; print(os.getpid(), signal.getitimer(0)[0], flush=True); input(); sys.exit(7)"
    )
    with subprocess.Popen(
        [*argv, code], env=world.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline().split() == [str(process.pid), "0.0"]
        process.stdin.write("\n")
        process.stdin.close()
        assert process.wait(60) == 7
    ran = world.process("exec", "sh", "-c", "kill -TERM $$")
    assert ran.code == -signal.SIGTERM


def test_a_pipe_that_is_closed_ends_the_program(world):
    """What Python ignores for itself is not ignored for others."""
    ran = world.process("exec", "sh", "-c", 'grep SigIgn "/proc/$$/status"')
    ignored = int(ran.out.split()[1], 16)
    assert not ignored & (1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1)


@pytest.mark.parametrize("name", ["no-such-program", "/no/such/program", "", "."])
def test_a_program_that_is_not_there(world, issuer, name):
    """Exit 2 before a token is got, which may cost an exchange."""
    world.environ["CODEX_REFRESH_TOKEN_URL_OVERRIDE"] = issuer.token_url
    world.write(".codex/auth.json", json.dumps(issuer.mint(**EXPIRED).document), mode=0o600)
    ran = world.process("exec", name)
    assert (ran.code, "no program" in ran.err) == (2, True)
    assert issuer.exchanges() == []


def test_a_file_that_the_system_does_not_run(world):
    """Exit 2, naming it."""
    path = world.write("script", "echo no first line", mode=0o755)
    ran = world.process("exec", str(path))
    assert (ran.code, f"{path} cannot be run: Exec format error" in ran.err) == (2, True)


def test_no_token_no_program(world):
    """The errors of a plain resolve."""
    (world.home / ".codex/auth.json").unlink()
    ran = world.process("exec", "echo", "ran")
    assert (ran.code, ran.out) == (4, "")


def test_what_does_nothing_is_refused(world):
    """A format is not printed; exec has none of its own options."""
    assert world.process("--format", "json", "exec", "true").code == 2
    assert world.process("exec").code == 2
    assert world.process("exec", "--no-such-option", "true").code == 2


def test_opencode_gets_its_own_variable():
    """For others it would hide the logins in opencode's own file."""
    token = Token.from_jwt(jwt())
    seen = environment_for("/usr/bin/opencode", {}, token, 0)
    assert json.loads(seen["OPENCODE_AUTH_CONTENT"])["openai"]["access"] == token.access_token.reveal()
    assert "OPENCODE_AUTH_CONTENT" not in environment_for("/usr/bin/codex", {}, token, 0)
    with pytest.raises(Malformed):
        environment_for("/usr/bin/opencode", {}, Token.from_jwt("opaque"), 0)


def test_no_secret_in_the_command_line(world):
    """Everybody can see it."""
    ran = world.process("exec", "sh", "-c", "tr '\\0' ' ' < /proc/$$/cmdline")
    assert os.fsdecode(ran.out).startswith("sh -c tr")
