"""What is run on the other host, and what its answers mean, without a network."""

import json
import subprocess
from pathlib import Path

import pytest

from fetchtoken.domain.errors import FetchTokenError, LoginRequired, Malformed, NotFound, Unavailable
from fetchtoken.domain.secret import Secret
from fetchtoken.sources.ssh_answer import (
    NO_FILE,
    NOT_INSTALLED,
    command_lines,
    file_line,
    problem,
    token_of_command,
    token_of_file,
)
from fetchtoken.sources.ssh_ask import converse
from fetchtoken.ssh.run import Done
from tests.support.logins import auth_document
from tests.support.tokens import jwt, request_of

PLAIN = "codex-fetchtoken --format json"
REFRESH = "rt_0123456789"


def test_the_first_line_needs_no_shell():
    """The words stand as they are, so that a door without a shell can read them."""
    line, *_ = command_lines(PLAIN, "me@corp.example+1", 900)
    assert line == "codex-fetchtoken --format json --account me@corp.example+1 --min-valid 900"


def test_the_second_line_looks_where_a_user_installs():
    """A command with a path of its own is looked for nowhere else."""
    first, second = command_lines(PLAIN, "", 0)
    assert second == f"~/.local/bin/{first}"
    assert command_lines("/opt/bin/codex-fetchtoken", "", 0) == ("/opt/bin/codex-fetchtoken --min-valid 0",)


@pytest.mark.parametrize("shell", ["sh", "bash", "dash"])
def test_the_file_is_read_by_any_shell(tmp_path: Path, shell: str):
    """By HOME, by CODEX_HOME, of an account; a file that is not there has a status of its own."""
    work = tmp_path / "elsewhere with blanks"
    (work / "accounts").mkdir(parents=True)
    (work / "auth.json").write_text("one")
    (work / "accounts/work.json").write_text("two")
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex/auth.json").write_text("three")

    def run(account: str, **environ: str) -> tuple[int, str]:
        environ = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", **environ}
        done = subprocess.run(
            [shell, "-c", file_line(account)], env=environ, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout

    assert run("", CODEX_HOME=str(work)) == (0, "one")
    assert run("work", CODEX_HOME=str(work)) == (0, "two")
    assert run("") == (0, "three")
    assert run("work") == (NO_FILE, "")


def test_no_account_name_reaches_a_shell_unquoted():
    """What is no name is never part of a path."""
    assert "evil" not in file_line("$(evil)")
    assert command_lines(PLAIN, "$(evil)", 0)[0].endswith("--account '$(evil)' --min-valid 0")


@pytest.mark.parametrize("code", range(3, 9))
def test_codes_3_to_8_are_passed_on(code: int):
    """The class is that of the code, the words those of the host, and its hint is to be done there."""
    error = problem("box", Done(code, b"", b"codex-broker: it is so\nhint: do this\n"))
    assert (error.exit_code, error.message, error.hint) == (code, "box: it is so", "there: do this")


def test_words_are_not_needed():
    """A command that says nothing still has an error with a hint."""
    error = problem("box", Done(5, b"", b""))
    assert (error.message, error.hint) == ("box: it said nothing", "look at box")


def test_the_last_line_counts_where_none_is_ours():
    """A shell's own words, without notes."""
    error = problem("box", Done(1, b"", b"note: x\none\nsh: two\n\n"))
    assert error.message == "box: the command ended with status 1: sh: two"


def test_a_signal_is_told():
    """No status is no success."""
    assert "was killed" in problem("box", Done(None, b"", b"")).message


@pytest.mark.parametrize(
    "secret",
    [jwt(), "rt_short", "rt.1." + "A" * 60, "cbk_ab_cd", "cbr_x", "sk-proj-1", "11-01rt_glued", "0" * 64],
)
def test_no_credential_is_repeated(secret: str):
    """Whatever looks like one is dots in the message and in the hint."""
    error = problem("box", Done(3, b"", f"codex-fetchtoken: see {secret}!\nhint: use {secret}\n".encode()))
    assert secret not in error.message + error.hint
    assert "…" in error.message


def test_words_are_printable_and_short():
    """Escape codes, bells, marks of direction and bytes that are no text do not reach the terminal."""
    error = problem("box", Done(3, b"", b"codex-fetchtoken: \x1b[2J\x07\xe2\x80\xae\xff" + b" word" * 1000))
    assert error.message.isprintable()
    assert len(error.message) < 300


def test_a_refresh_token_is_passed_over():
    """Of a whole login only the access token is taken, wherever it stands."""
    document = json.dumps({**auth_document(jwt(), refresh=REFRESH), "refresh_token": REFRESH}).encode()
    for token in (
        token_of_command("box", Done(0, document, b""), ""),
        token_of_file("box", Done(0, document, b""), "", min_valid_s=600, now_s=0),
    ):
        assert token.source == "ssh"
        values = [getattr(token, name) for name in token.__slots__]
        texts = [value.reveal() if isinstance(value, Secret) else str(value) for value in values]
        assert REFRESH not in "".join(texts)


@pytest.mark.parametrize(
    ("done", "kind", "words"),
    [
        (Done(NO_FILE, b"", b""), NotFound, "neither codex-fetchtoken nor a login"),
        (Done(1, b"", b"cat: Permission denied"), Malformed, "cannot be read: cat: Permission denied"),
        (Done(0, b"", b""), NotFound, "auth.json is empty"),
        (Done(0, b"\xff", b""), Malformed, "not UTF-8"),
        (Done(0, b"[1]", b""), Malformed, "not a JSON object"),
        (Done(0, b'{"OPENAI_API_KEY":"sk-1"}', b""), LoginRequired, "holds an API key"),
        (Done(0, b'{"tokens":{"access_token":"opaque"}}', b""), Malformed, "does not say when"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_that_has_no_token(done: Done, kind: type[FetchTokenError], words: str):
    """Each has its class, and the host is named."""
    with pytest.raises(kind) as caught:
        token_of_file("box", done, "", min_valid_s=600, now_s=0)
    assert words in caught.value.message
    assert "box" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(("left_s", "kind"), [(359, LoginRequired), (599, Unavailable)])
def test_a_file_that_nobody_renews(left_s: int, kind: type[FetchTokenError]):
    """Expired needs a person; short-lived is a matter of the demand."""
    bearer = jwt(1000, age_s=0)
    done = Done(0, json.dumps(auth_document(bearer)).encode(), b"")
    expires_at = token_of_file("box", done, "", min_valid_s=0, now_s=0).expires_at
    assert expires_at is not None
    with pytest.raises(kind):
        token_of_file("box", done, "", min_valid_s=600, now_s=expires_at - left_s)


async def test_the_next_line_is_tried_only_where_the_command_is_missing():
    """127 leads on, to the file at last; any other status is an answer."""
    asked: list[str] = []
    answers = [Done(NOT_INSTALLED, b"", b""), Done(NOT_INSTALLED, b"", b""), Done(NO_FILE, b"", b"")]

    async def host(line: str) -> Done:
        asked.append(line)
        return answers[len(asked) - 1]

    with pytest.raises(NotFound):
        await converse(host, "box", PLAIN, request_of(account="work"))
    assert asked == [*command_lines(PLAIN, "work", 600), file_line("work")]
    answers[0] = Done(1, b"", b"")
    asked.clear()
    with pytest.raises(Malformed):
        await converse(host, "box", PLAIN, request_of())
    assert len(asked) == 1
