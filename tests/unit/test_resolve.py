"""Which source is asked, and what its failure means for the next."""

import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from fetchtoken import resolve as module
from fetchtoken.domain import errors
from fetchtoken.domain.errors import FetchTokenError
from fetchtoken.domain.token import Token
from tests.support.command import World
from tests.support.logins import write_auth
from tests.support.tokens import jwt, request_of, settings_of

BEARER = jwt()
FALL_THROUGH = [errors.LoginRequired, errors.NotFound, errors.Unavailable, errors.Malformed]
STOP = [errors.ConfigError, errors.Denied, errors.Unsafe]


def _resolve(monkeypatch, tmp_path: Path, outcomes: dict[str, object], *, verbose: bool = False):
    """Resolve over ``remote,local`` with stated outcomes; return asked sources and notes too."""
    asked: list[tuple[str, float]] = []

    def fetch(name, _settings, request):
        asked.append((name, request.deadline))
        outcome = outcomes[name]
        if isinstance(outcome, FetchTokenError):
            raise outcome
        return outcome

    monkeypatch.setattr(module, "_fetch", fetch)
    notes: list[str] = []
    settings = settings_of(tmp_path, CODEX_TOKEN_SOURCE="remote,local")
    request = request_of(notes)
    try:
        result: object = module.resolve(settings, request, verbose=verbose)
    except FetchTokenError as error:
        result = error
    return result, asked, notes


@pytest.mark.parametrize("kind", FALL_THROUGH)
def test_a_source_that_cannot_help_now_is_passed(kind, monkeypatch, tmp_path):
    """3, 4, 5 and 7 lead to the next source, which may have a token."""
    token = Token.from_jwt(BEARER, source="local")
    result, asked, notes = _resolve(monkeypatch, tmp_path, {"remote": kind("no"), "local": token})
    assert result is token
    assert [name for name, _ in asked] == ["remote", "local"]
    assert notes == []


@pytest.mark.parametrize("kind", STOP)
def test_an_error_that_a_person_must_see_stops_the_list(kind, monkeypatch, tmp_path):
    """2, 6 and 8 end the command although the next source would have a token."""
    token = Token.from_jwt(BEARER, source="local")
    result, asked, _ = _resolve(monkeypatch, tmp_path, {"remote": kind("no", hint="do"), "local": token})
    assert isinstance(result, kind)
    assert (result.message, result.hint) == ("no", "do")
    assert [name for name, _ in asked] == ["remote"]


@pytest.mark.parametrize("first", FALL_THROUGH)
@pytest.mark.parametrize("second", [*FALL_THROUGH, *STOP])
def test_when_all_fail_the_exit_code_is_the_first_sources(first, second, monkeypatch, tmp_path):
    """The message tells of both; class and hint are the first's."""
    outcomes = {"remote": first("one", hint="first hint"), "local": second("two", hint="second hint")}
    result, asked, _ = _resolve(monkeypatch, tmp_path, outcomes)
    assert type(result) is first
    assert result.message == str(result) == "remote: one; local: two"
    assert result.hint == "first hint"
    assert len(asked) == 2


def test_verbose_says_why_a_source_failed_and_where_the_token_came_from(monkeypatch, tmp_path):
    """Two notes, and no token in them."""
    token = Token.from_jwt(BEARER, account="work", source="remote")
    outcomes = {"remote": errors.NotFound("nothing there"), "local": token}
    _, _, notes = _resolve(monkeypatch, tmp_path, outcomes, verbose=True)
    assert notes[0] == "remote: nothing there"
    assert notes[1].startswith(
        "token from remote (https://token.scorpiox.net/codex), account work, expires 20"
    )
    assert BEARER not in "".join(notes)


def test_an_earlier_source_leaves_time_for_the_next(monkeypatch, tmp_path):
    """Of two sources the first gets half, and both give up before the command must end."""
    token = Token.from_jwt(BEARER, source="local")
    start = time.monotonic()
    _, asked, _ = _resolve(monkeypatch, tmp_path, {"remote": errors.NotFound("no"), "local": token})
    assert asked[0][1] < start + 10
    assert start + 10 < asked[1][1] < start + 20


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a world with a fresh login."""
    found = World(tmp_path)
    write_auth(found.home / ".codex/auth.json", BEARER)
    return found


def test_a_real_list_falls_back_to_the_local_file(world: World):
    """The broker is down; the file has the token; with -v both are told."""
    world.environ["CODEX_REMOTE_URL"] = "unix:/no/such/socket"
    ran = world.run("-v", "-s", "remote,local")
    assert (ran.code, ran.out) == (0, BEARER + "\n")
    assert ran.err.startswith("note: remote: ")
    assert f"note: token from local ({world.home}/.codex/auth.json), expires 20" in ran.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-f", "yaml"], "--format: 'yaml' is not one"),
        (["--shell", "fish"], "--shell only goes with --format env"),
        (["-f", "env", "--shell", "zsh"], "--shell: 'zsh' is not one"),
        (["--force-refresh", "--no-refresh"], "contradict"),
        (["--timeout", "0"], "--timeout: '0' is not allowed"),
        (["--timeout", "nan"], "--timeout: 'nan' is not allowed"),
        (["--timeout", "86401"], "--timeout"),
        (["--timeout", "1.2.3"], "--timeout"),
        (["-s", "ssh"], "the source is ssh, and no host is set"),
    ],
)
def test_options_that_make_no_sense_are_exit_2(world: World, words: list[str], message: str):
    """Nothing is tried, the option is named."""
    ran = world.run(*words)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


def test_notes_about_settings_reach_standard_error(world: World):
    """A project file that is ignored does not stop the command."""
    world.write("project/scorpiox-env.txt", "CODEX_ACCOUNT=x\n")
    world.project.chmod(0o777)
    ran = world.run()
    assert (ran.code, ran.out) == (0, BEARER + "\n")
    assert ran.err == f"note: {world.project}/scorpiox-env.txt is ignored: others can write {world.project}\n"


def test_timeout_ends_the_whole_command(world: World):
    """A broker that accepts and never answers costs no more than --timeout: exit 5."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        world.environ["CODEX_REMOTE_URL"] = f"http://127.0.0.1:{server.getsockname()[1]}"
        world.environ["CODEX_REMOTE_API_KEY"] = "cbk_x"
        ran = world.process("-s", "remote", "--timeout", "1")
    assert (ran.code, ran.out) == (5, "")
    assert ran.err.startswith("codex-fetchtoken: ")


@pytest.mark.parametrize("private", [True, False], ids=["_signal", "signal"])
def test_the_watchdog_ends_what_no_deadline_reaches(*, private: bool):
    """Whatever blocks, the process ends with exit 5 and two lines; with the public module as well."""
    code = (
        "import sys, time\n"
        f"if not {private}: sys.modules['_signal'] = None\n"
        "from fetchtoken.output import Stream\n"
        "from fetchtoken.entry import arm\n"
        "arm(0.05, Stream(2))\n"
        "time.sleep(60)\n"
    )
    if not private:
        code = "import signal\n" + code
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 5
    assert done.stderr == "codex-fetchtoken: no token within 0.05 s\nhint: a longer --timeout, or --verbose\n"


@pytest.mark.parametrize(
    "words", [["--timeout", "1"], ["--timeout", "1", "-vfjson", "--"]], ids=["hand", "Typer"]
)
def test_a_reader_that_takes_nothing_does_not_hold_the_command(world: World, words: list[str]):
    """A full pipe that nobody reads ends with exit 5 when the time is over, whichever way it was parsed."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):  # until it is full
        while os.write(writer, b"x" * 4096):
            pass
    os.set_blocking(writer, True)
    script = [sys.executable, "-c", "import sys; from fetchtoken.entry import main; sys.exit(main())", *words]
    done = subprocess.run(
        script,
        stdout=writer,
        stderr=subprocess.PIPE,
        env=world.environ,
        cwd=world.cwd,
        timeout=60,
        check=False,
    )
    os.close(reader)
    os.close(writer)
    assert done.returncode == 5
    assert b"no token within 1 s" in done.stderr


def test_without_timers_the_command_still_works():
    """On Windows there is no alarm; the deadlines of the sources are what there is."""
    code = (
        "import signal, sys\n"
        "sys.modules['_signal'] = None\n"
        "del signal.setitimer\n"
        "from fetchtoken.output import Stream\n"
        "from fetchtoken.entry import arm\n"
        "arm(0.05, Stream(2))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "words", [["-s", "remote"], ["-v", "--"], ["-a", "NO"]], ids=["error", "Typer", "usage"]
)
def test_the_alarm_is_off_before_the_interpreter_ends(world: World, words: list[str]):
    """An interpreter that is being taken apart has no handlers: an alarm would kill it."""
    world.environ["CODEX_REMOTE_URL"] = "unix:/no/such/socket"
    code = (
        "import atexit, signal, sys\n"
        "atexit.register(lambda: print(signal.getitimer(signal.ITIMER_REAL), file=sys.stderr))\n"
        "from fetchtoken.entry import main\n"
        "sys.exit(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        env=world.environ,
        cwd=world.cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr.endswith("(0.0, 0.0)\n")
