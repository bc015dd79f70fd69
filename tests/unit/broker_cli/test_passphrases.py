"""What a person at a terminal sees of a backup: questions without an echo, and how far it is."""

import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from broker.cli.passphrases import new_passphrase, old_passphrase
from broker.cli.progress import shown
from fetchtoken.domain.errors import ConfigError
from tests.support.broker import BROKER, Broker
from tests.support.need import need_program
from tests.support.wait import until_sync

ROOT = Path(__file__).parents[3]


class Terminal:
    """A program at a terminal of its own."""

    def __init__(self, broker: Broker, *words: str) -> None:
        self._master, slave = os.openpty()
        self.process = subprocess.Popen(
            [need_program("setsid", "util-linux"), "--ctty", "--wait", *BROKER, *words],
            env={**broker.environ, "PYTHONPATH": str(ROOT)},
            cwd=broker.root,
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)
        self.seen = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, 1024)
            except OSError:
                return  # the program has closed its side
            self.seen += data.decode()

    def answer(self, prompt: str, text: str) -> None:
        """Wait for a prompt, then type a line."""
        until_sync(lambda: self.seen.rstrip(" ").endswith(prompt))
        os.write(self._master, text.encode())

    def end(self) -> int:
        """Wait for the end; return the exit code."""
        code = self.process.wait(60)
        self._reader.join(60)
        os.close(self._master)
        return code


FIRST, AGAIN = "passphrase for the master keys in this backup:", "the same again:"
OLD = "passphrase of the master keys in this backup:"


def test_a_passphrase_is_asked_for_twice_without_an_echo(broker):
    """Typed twice at a terminal it makes the backup, and once it brings it back; it is never shown."""
    assert broker.run("init").code == 0
    terminal = Terminal(broker, "backup", "keyed", "--with-key")
    terminal.answer(FIRST, "correct horse\n")
    terminal.answer(AGAIN, "correct horse\n")
    assert terminal.end() == 0, terminal.seen
    assert "correct" not in terminal.seen

    terminal = Terminal(broker, "restore", "keyed", "--home", "second")
    terminal.answer(OLD, "correct horse\n")
    assert terminal.end() == 0, terminal.seen
    assert (broker.root / "second" / "master.key").exists()


@pytest.mark.parametrize(
    ("again", "code", "says"),
    [
        pytest.param("other horse\n", 2, "the two passphrases differ", id="another"),
        pytest.param("\x03", 130, "interrupted", id="Ctrl-C"),
        pytest.param("\x04", 130, "interrupted", id="Ctrl-D"),
    ],
)
def test_another_answer_makes_nothing(broker, again, code, says):
    """A slip of the finger, Ctrl-C and the end of the input: no backup, and the code says which."""
    assert broker.run("init").code == 0
    terminal = Terminal(broker, "backup", "keyed", "--with-key")
    terminal.answer(FIRST, "correct horse\n")
    terminal.answer(AGAIN, again)
    assert terminal.end() == code, terminal.seen
    assert says in terminal.seen
    assert not (broker.root / "keyed").exists()


@pytest.mark.parametrize("ask", [new_passphrase, old_passphrase])
def test_without_a_terminal_nothing_is_asked(monkeypatch, ask):
    """A timer is told what to give instead."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("correct horse\n"))
    with pytest.raises(ConfigError, match="no terminal") as caught:
        ask(None)
    assert "--passphrase-file" in caught.value.hint


@pytest.mark.parametrize("text", ["correct horse", "correct horse\n", "correct horse\r\n"])
def test_a_passphrase_in_a_file_ends_with_its_line(monkeypatch, tmp_path, text):
    """However an editor ends the file, the words are the same; from standard input as well."""
    path = tmp_path / "words"
    path.touch(mode=0o600)
    path.write_bytes(text.encode())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode()), "ascii"))
    assert new_passphrase(str(path)).reveal() == "correct horse"
    assert old_passphrase("-").reveal() == "correct horse"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_passphrase_by_standard_input_is_the_same_in_every_locale(monkeypatch, encoding):
    """Made on one machine, opened on another: its bytes count, not what a terminal takes them for."""
    given = io.BytesIO("pferd über brücke\n".encode())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(given, encoding))
    assert old_passphrase("-").reveal() == "pferd über brücke"


class Screen(io.StringIO):
    """Standard error on a terminal."""

    def isatty(self) -> bool:
        return True


def test_progress_is_for_terminals(monkeypatch):
    """A terminal sees how far it is, and a clean line in the end; anything else sees nothing."""
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    with shown("backup", lambda: 3 << 20, of=6 << 20):
        until_sync(lambda: "backup: 3.0 of 6.0 MiB" in screen.getvalue())
    assert screen.getvalue().endswith("\r\x1b[K")
    file = io.StringIO()
    monkeypatch.setattr(sys, "stderr", file)
    with shown("backup", lambda: 0):
        pass
    assert file.getvalue() == ""
