"""Small parts of the command: durations, names, program paths, tables, last resorts."""

import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.admin.intake import free_name, nickname
from broker.cli import entry, speech
from broker.cli.durations import parse_duration_s
from broker.cli.programs import program
from fetchtoken.domain.errors import ConfigError
from fetchtoken.domain.names import is_name


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("24h", 86_400), ("365d", 31_536_000), ("2w", 1_209_600)]
)
def test_durations(text: str, seconds: int) -> None:
    """A number with its unit is so many seconds."""
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "d", "90", "-1d", "0d", "1.5h", "1y", "٣d", "1 d", "999999999999w"])
def test_what_is_no_duration(text: str) -> None:
    """Anything else is exit 2 with an example."""
    with pytest.raises(ConfigError, match="is no length of time"):
        parse_duration_s(text)


@pytest.mark.parametrize(
    ("email", "name"),
    [
        ("ada@example.com", "ada"),
        ("Ada.Lovelace+codex@example.com", "ada.lovelace+codex"),
        ("__@example.com", "account-acct-1"),
        ("", "account-acct-1"),
        ("ünïcode@example.com", "n-code"),
    ],
)
def test_nicknames(email: str, name: str) -> None:
    """An account is called by its e-mail address, else by a piece of its id."""
    assert nickname(email, "ACCT-1") == name


@given(st.text(), st.text(), st.sets(st.text(max_size=3)))
def test_a_nickname_is_always_a_name(email: str, account_id: str, taken: set[str]) -> None:
    """Whatever the claims say, the account's name is one, and free."""
    name = free_name(nickname(email, account_id or "x"), taken)
    assert is_name(name)
    assert name not in taken


def test_a_taken_name_gets_a_number() -> None:
    """The second Ada is ada-2; nobody is called device."""
    assert free_name("ada", {"ada", "ada-2"}) == "ada-3"
    assert free_name("device", set()) == "device-2"


def test_our_programs_lie_beside_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program is found beside the running one, as an absolute path."""
    (tmp_path / "codex-fetchtoken").touch()
    monkeypatch.setattr(sys, "argv", ["bin/codex-broker"])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "codex-fetchtoken").touch()
    assert program("codex-fetchtoken") == str(tmp_path / "bin" / "codex-fetchtoken")


def test_a_table_is_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    """Columns are as wide as their widest cell; nothing is a dash, lists have commas."""
    rows = [{"a": "x", "b": None, "c": True}, {"a": "longer", "b": ["p", "q"], "c": False}]
    speech.table(rows, {"a": "A", "b": "B", "c": "C"})
    assert capsys.readouterr().out == "A       B    C\nx       -    yes\nlonger  p,q  no\n"


def command(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Let every command line do this."""
    standing_in = Mock(main=lambda *_words, **_options: act())
    monkeypatch.setattr(entry.typer.main, "get_command", lambda _app: standing_in)


def test_a_bug_says_so_without_its_text(capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    """An unexpected error is exit 1 and asks for a report; its text, which may hold anything, stays in."""

    def broken() -> None:
        secret = "rt_canary"
        raise RuntimeError(secret)

    command(monkeypatch, broken)
    assert entry.run(["--verbose", "check"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("codex-broker: unexpected RuntimeError; this is a bug")
    assert "test_words.py" in said, "with --verbose the place is shown"
    assert "rt_canary" not in said
    assert entry.run(["check"]) == 1
    assert "test_words.py" not in capsys.readouterr().err


def test_ctrl_c_is_130(capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    """Ctrl-C in a command is exit 130, said in one line."""

    def pressed() -> None:
        raise KeyboardInterrupt

    command(monkeypatch, pressed)
    assert entry.run(["check"]) == 130
    assert capsys.readouterr().err == "codex-broker: interrupted\n"
