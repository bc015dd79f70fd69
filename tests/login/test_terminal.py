"""``login`` at a terminal: the waiting line, the QR code, and a paste where no browser can come back."""

import os
import pty
import re
import select
import subprocess
import time

import pytest

from tests.support.programs import FETCHTOKEN, LIMIT_S, Machine, program
from tests.support.visitor import approve_device, decide
from tests.support.walking import LOGIN_ISSUER


class Terminal:
    """A command whose standard input and error are one terminal."""

    def __init__(self, machine: Machine, *words: str, **more: str) -> None:
        self.main, end = pty.openpty()
        self.process = subprocess.Popen(
            [program(FETCHTOKEN), *words],
            env={**machine.environ, "TERM": "xterm", "LANG": "C.UTF-8", **more},
            cwd=machine.home,
            stdin=end,
            stdout=subprocess.DEVNULL,
            stderr=end,
            start_new_session=True,
        )
        os.close(end)
        self.text = ""

    def until(self, words: str) -> str:
        """Read until these words have come; return everything so far."""
        end_s = time.monotonic() + LIMIT_S
        while words not in self.text:
            assert time.monotonic() < end_s, self.text
            if select.select([self.main], [], [], 1)[0] and not self._read():
                break
        assert words in self.text, self.text
        return self.text

    def type(self, line: str) -> None:
        os.write(self.main, f"{line}\n".encode())

    def ended(self) -> int:
        while self._read():
            pass
        os.close(self.main)
        return self.process.wait(LIMIT_S)

    def _read(self) -> bool:
        try:
            read = os.read(self.main, 65536)
        except OSError:  # the other end is closed (EIO)
            return False
        self.text += read.decode().replace("\r\n", "\n")
        return bool(read)


@pytest.fixture
def machine(tmp_path, issuer):
    made = Machine(tmp_path)
    made.environ[LOGIN_ISSUER] = issuer.url
    issuer.settings(device_interval_s=0)
    return made


@pytest.mark.usefixtures("callback_ports")
def test_a_paste_ends_the_login(machine):
    """What is no address is told so; the address that the browser could not open brings the code."""
    terminal = Terminal(machine, "login", "--browser")
    link = re.search(r"http\S+/oauth/authorize\S+", terminal.until("or paste the address"))
    assert link
    terminal.type("https://example.com/")
    terminal.until("that is not the address")
    terminal.type(decide(link[0], email="ann@example.com"))
    assert terminal.ended() == 0, terminal.text
    assert "logged in as ann@example.com" in terminal.text
    assert machine.fetch().code == 0


@pytest.mark.usefixtures("callback_ports")
def test_a_pasted_answer_of_another_login(machine):
    """8, as if the browser had brought it."""
    terminal = Terminal(machine, "login", "--browser")
    terminal.until("or paste the address")
    terminal.type("http://127.0.0.1:1455/auth/callback?code=ac_stranger_stranger&state=other")
    assert terminal.ended() == 8, terminal.text
    assert not machine.auth_file.exists()


def test_the_waiting_line_and_the_qr_code(machine, issuer):
    """A telephone can read the page's address; the line counts down and is gone at the end."""
    terminal = Terminal(machine, "login", "--device")
    seen = terminal.until("waiting for the approval, 14:")
    assert "▀" in seen
    code = re.search(r"^ {2}([A-Z]{4}-[A-Z]{4})$", seen, re.MULTILINE)
    assert code
    assert approve_device(issuer.url, code[1]).status == 200
    assert terminal.ended() == 0, terminal.text
    assert "\r\x1b[Knote: logged in as" in terminal.text


def test_a_plain_terminal_gets_words_only(machine, issuer):
    """Nothing moves and nothing is drawn where ``TERM`` says that the terminal cannot."""
    terminal = Terminal(machine, "login", "--device", TERM="dumb")
    code = re.search(r"[A-Z]{4}-[A-Z]{4}", terminal.until("never give the code"))
    assert code
    approve_device(issuer.url, code[0])
    assert terminal.ended() == 0
    assert "\x1b" not in terminal.text
    assert "▀" not in terminal.text
