"""What the process itself promises: exit codes, two lines, no traceback, no lost failure."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fetchtoken import __version__, entry
from fetchtoken import resolve as resolve_module
from fetchtoken.domain import errors
from fetchtoken.report import report
from tests.support.command import Capture, World
from tests.support.logins import write_auth
from tests.support.tokens import jwt

BEARER = jwt()
SCRIPT = Path(sys.executable).parent / "codex-fetchtoken"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a world with a fresh login."""
    found = World(tmp_path)
    write_auth(found.home / ".codex/auth.json", BEARER)
    return found


def _start(world: World, *words: str, **more) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [SCRIPT, *words], env=world.environ, cwd=world.cwd, stderr=subprocess.PIPE, **more
    )


def test_the_installed_script_prints_the_token(world: World):
    """``codex-fetchtoken`` and nothing else: the token, a newline, exit 0, silence."""
    child = _start(world, stdout=subprocess.PIPE)
    out, err = child.communicate(timeout=60)
    assert (child.returncode, out.decode(), err) == (0, BEARER + "\n", b"")


@pytest.mark.parametrize("words", [[], ["-fjson"], ["config", "show"], ["--help"], ["--version"]])
def test_a_full_disk_is_no_success(world: World, words: list[str]):
    """A token that did not arrive is exit 5 and said."""
    with Path("/dev/full").open("wb") as full:
        child = _start(world, *words, stdout=full)
        _, err = child.communicate(timeout=60)
    assert child.returncode == 5
    assert err.decode() == (
        "codex-fetchtoken: standard output cannot be written: No space left on device\n"
        "hint: look at what it leads to\n"
    )


@pytest.mark.parametrize("words", [[], ["config", "show"], ["--help"]])
def test_a_reader_that_went_away_is_no_traceback(world: World, words: list[str]):
    """EPIPE ends the command with 5; nothing of Python's own reaches the terminal."""
    reader, writer = os.pipe()
    os.close(reader)
    child = _start(world, *words, stdout=writer)
    os.close(writer)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 5
    assert b"Traceback" not in err
    assert b"Exception ignored" not in err


@pytest.mark.parametrize("closed", [">&-", "2>&- >&-"])
def test_a_closed_standard_output_is_no_success(world: World, closed: str):
    """A token is never written into whatever else got that number."""
    done = subprocess.run(
        ["bash", "-c", f'"{SCRIPT}" {closed}'],
        env=world.environ,
        cwd=world.cwd,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 5
    assert b"Traceback" not in done.stderr


def test_a_closed_standard_error_costs_nothing(world: World):
    """Notes go unheard, the token comes."""
    done = subprocess.run(
        ["bash", "-c", f'"{SCRIPT}" -v 2>&-'],
        env=world.environ,
        cwd=world.cwd,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout.decode()) == (0, BEARER + "\n")


def test_any_locale_will_do(world: World):
    """An ASCII terminal sees escapes, not a crash."""
    world.environ |= {"LC_ALL": "POSIX", "PYTHONIOENCODING": "ascii:strict", "PYTHONUTF8": "0"}
    world.environ["CODEX_ACCOUNT"] = "schlüssel"
    child = _start(world, stdout=subprocess.PIPE)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 2
    assert err.startswith(b"codex-fetchtoken: CODEX_ACCOUNT (environment): ")


def test_a_deleted_working_directory_does_not_matter(world: World):
    """There is then no project; the token comes."""
    world.cwd = world.home / "gone"
    world.cwd.mkdir()
    done = subprocess.run(
        ["bash", "-c", f'rmdir "$PWD" && exec "{SCRIPT}"'],
        env=world.environ,
        cwd=world.cwd,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout.decode(), done.stderr) == (0, BEARER + "\n", b"")


@pytest.mark.parametrize("words", [[], ["config", "show"]])
def test_ctrl_c_is_130(world: World, words: list[str]):
    """An interrupted command says so in one line, whichever way it was parsed."""
    fifo = world.home / ".codex/config.toml"
    target = fifo if not words else world.home / ".claude/scorpiox-env.txt"
    # SIGINT is raised from inside, at the moment a file is opened: no race with start-up.
    code = (
        "import os, signal, sys\n"
        "real = os.open\n"
        "def open_(path, *rest):\n"
        f"    if str(path) == {str(target)!r} or 'auth.json' in str(path):\n"
        "        signal.raise_signal(signal.SIGINT)\n"
        "    return real(path, *rest)\n"
        "os.open = open_\n"
        "from fetchtoken.entry import main\n"
        "sys.exit(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        env=world.environ,
        cwd=world.cwd,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (130, b"")
    assert done.stderr == b"codex-fetchtoken: interrupted\n"
    assert signal.SIGINT


def _break(monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_args, **_more):
        secret = "canary-secret"
        raise ValueError(f"quoted {secret}")

    monkeypatch.setattr(resolve_module, "load", bug)


@pytest.mark.parametrize("plain", [True, False])
def test_a_bug_is_exit_1_and_asks_for_a_report(world: World, monkeypatch: pytest.MonkeyPatch, *, plain: bool):
    """Kind and place are named; the exception's own text is not, for it may quote a secret."""
    _break(monkeypatch)
    ran = world.run(plain=plain)
    assert (ran.code, ran.out) == (1, "")
    first, second = ran.err.splitlines()
    assert first.startswith("codex-fetchtoken: unexpected ValueError, ")
    assert "test_entry.py" in first
    assert second.startswith("hint: report this")
    assert "canary" not in ran.err


@pytest.mark.parametrize("plain", [True, False])
def test_verbose_shows_where_a_bug_passed_without_values(
    world: World, monkeypatch: pytest.MonkeyPatch, *, plain: bool
):
    """The traceback has files, lines and names; no locals, no source, no message."""
    _break(monkeypatch)
    ran = world.run("--verbose", plain=plain)
    assert ran.code == 1
    assert "resolve.py:" in ran.err
    assert "in bug" in ran.err
    assert "canary" not in ran.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.FetchTokenError("m", hint="h"), 1),
        (errors.ConfigError("m", hint="h"), 2),
        (errors.LoginRequired("m", hint="h"), 3),
        (errors.NotFound("m", hint="h"), 4),
        (errors.Unavailable("m", hint="h"), 5),
        (errors.Denied("m", hint="h"), 6),
        (errors.Malformed("m", hint="h"), 7),
        (errors.Unsafe("m", hint="h"), 8),
        (errors.Interrupted("m", hint="h"), 130),
        (KeyboardInterrupt(), 130),
        (OSError(28, "No space left on device", "/some/file"), 1),
    ],
)
def test_every_error_has_its_exit_code_and_is_said_in_lines(error: BaseException, code: int):
    """The class says the code; the message is one line, the hint another."""
    stderr = Capture()
    assert report(error, stderr) == code
    lines = stderr.text.splitlines()
    assert lines[0].startswith("codex-fetchtoken: ")
    assert len(lines) == (1 if isinstance(error, KeyboardInterrupt) else 2)
    assert all(line.startswith("hint: ") for line in lines[1:])


def test_an_error_stays_on_its_line():
    """Line breaks and terminal controls in a file name cannot forge a second message."""
    stderr = Capture()
    report(errors.NotFound("no\nhint: rm -rf\r\x1b[2J", hint="a\n\nb"), stderr)
    assert stderr.text == "codex-fetchtoken: no hint: rm -rf \ufffd[2J\nhint: a b\n"


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["--bogus"], "No such option: --bogus", "codex-fetchtoken --help"),
        (["bogus"], "No such command 'bogus'.", "codex-fetchtoken --help"),
        (["--format"], "Option '--format' requires an argument.", "codex-fetchtoken --help"),
        (["config"], "Missing command.", "codex-fetchtoken config --help"),
        (["config", "get"], "Missing argument 'KEY'.", "codex-fetchtoken config get --help"),
        (["-f", "json", "config", "show"], "--format does nothing with config", "leave --format out"),
    ],
)
def test_a_usage_error_has_our_two_lines(world: World, words: list[str], message: str, hint: str):
    """Exit 2, what is wrong, and where to read on."""
    ran = world.run(*words)
    assert (ran.code, ran.out) == (2, "")
    first, second = ran.err.splitlines()
    assert first.startswith(f"codex-fetchtoken: {message}")
    assert second == f"hint: {hint}"


def test_version_is_data(world: World):
    """``--version`` prints to standard output."""
    ran = world.run("--version")
    assert (ran.code, ran.out, ran.err) == (0, f"codex-fetchtoken {__version__}\n", "")


def test_help_names_only_what_works(world: World):
    """Every option of the contract that is built is there, and no colour without a terminal."""
    ran = world.process("--help")
    assert ran.code == 0
    for word in (
        "--source",
        "ssh",
        "--min-valid",
        "--force-refresh",
        "--no-cache",
        "--profile",
        "--timeout",
        "config",
    ):
        assert word in ran.out
    assert "\x1b" not in ran.out + ran.err


def test_main_is_the_entry_point():
    """The console script of the distribution leads to ``entry.main``."""
    from importlib.metadata import distribution

    scripts = {point.name: point.value for point in distribution("codex-token-broker").entry_points}
    assert scripts["codex-fetchtoken"] == "fetchtoken.entry:main"
    assert callable(entry.main)
