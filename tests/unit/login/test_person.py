"""What people at a terminal see, and what others do not."""

import os
import pty

import pytest

from fetchtoken.oauth.login.person import Person, has_desktop, open_browser
from tests.support.wait import until_sync

UTF8 = {"LANG": "C.UTF-8", "TERM": "xterm"}


class Screen:
    """A terminal of so many columns, and what was written to it."""

    def __init__(self, columns=80):
        self.main, self.terminal = pty.openpty()
        import fcntl
        import struct
        import termios

        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
        self.text = ""

    def person(self, environ):
        return Person(self._note, self._tell, environ, stdin=self.terminal, stderr=self.terminal)

    def _tell(self, text):
        self.text += text

    def _note(self, text):
        self.text += f"note: {text}\n"

    def close(self):
        os.close(self.main)
        os.close(self.terminal)


@pytest.fixture
def screen():
    made = Screen()
    yield made
    made.close()


def test_the_waiting_line_is_replaced_and_taken_away(screen):
    """One line that changes, and goes before the next words."""
    person = screen.person(UTF8)
    person.progress("waiting, 14:59 left")
    person.progress("waiting, 14:58 left")
    person.say("logged in")
    person.clear()
    assert screen.text == "\r\x1b[Kwaiting, 14:59 left\r\x1b[Kwaiting, 14:58 left\r\x1b[Knote: logged in\n"


def test_the_waiting_line_fits(screen):
    """A narrow terminal gets less of it, so that it can be replaced."""
    person = screen.person(UTF8)
    person.progress("x" * 200)
    assert len(screen.text) == len("\r\x1b[K") + 79


def test_the_qr_code_where_it_can_be_shown(screen):
    """Half blocks, in no colour, as wide as the terminal allows."""
    screen.person({**UTF8, "NO_COLOR": "1"}).show_qr("https://auth.openai.com/codex/device")
    lines = screen.text.splitlines()
    assert set(screen.text) <= set("█▀▄ \n")
    assert len({len(line) for line in lines}) == 1
    assert len(lines) >= 12


@pytest.mark.parametrize(
    "environ",
    [
        {"LANG": "C", "TERM": "xterm"},
        {"TERM": "xterm"},
        {"LANG": "C.UTF-8", "LC_ALL": "POSIX", "TERM": "xterm"},
        {"LANG": "C.UTF-8", "TERM": "dumb"},
        {"LANG": "C.UTF-8"},
    ],
)
def test_no_qr_code_where_it_would_be_garbage(screen, environ):
    """Without UTF-8, or on a terminal that cannot do anything."""
    person = screen.person(environ)
    person.show_qr("https://auth.openai.com/codex/device")
    assert screen.text == ""


def test_no_qr_code_on_a_narrow_terminal():
    """A code that is cut off cannot be read."""
    screen = Screen(columns=30)
    screen.person(UTF8).show_qr("https://auth.openai.com/codex/device")
    assert screen.text == ""
    screen.close()


def test_nothing_moves_where_nobody_looks():
    """Into a file go words only."""
    read, write = os.pipe()
    said = []
    person = Person(said.append, said.append, UTF8, stdin=read, stderr=write)
    person.progress("waiting")
    person.show_qr("https://example.com")
    person.clear()
    person.say("done")
    person.show("https://example.com")
    assert said == ["done", "  https://example.com\n"]
    assert person.stdin == -1
    os.close(read)
    os.close(write)


def test_what_is_typed(screen):
    """A line without its end; a closed terminal is read no more."""
    person = screen.person(UTF8)
    os.write(screen.main, b"  http://127.0.0.1:1455/x \n")
    assert person.pasted() == "http://127.0.0.1:1455/x"
    os.write(screen.main, b"\x04")
    assert person.pasted() == ""
    assert person.stdin == -1


def test_a_closed_descriptor_is_no_terminal():
    """Where the shell closed standard input there is nobody to ask."""
    assert Person(print, print, {}, stdin=-1, stderr=-1).stdin == -1
    assert Person(print, print, {}, stdin=9999, stderr=9999).stdin == -1


@pytest.mark.parametrize(
    ("environ", "platform", "found"),
    [
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({}, "linux", False),
        ({"DISPLAY": ""}, "linux", False),
        ({"DISPLAY": ":0", "SSH_CONNECTION": "a 1 b 2"}, "linux", False),
        ({"DISPLAY": ":0", "SSH_TTY": "/dev/pts/0"}, "linux", False),
        ({}, "darwin", True),
        ({"SSH_CLIENT": "a 1 2"}, "darwin", False),
        ({}, "win32", True),
    ],
)
def test_where_a_browser_would_be_in_front_of_the_person(tmp_path, environ, platform, found):
    """A display, no SSH session, and a program that opens links."""
    opener = tmp_path / "xdg-open"
    opener.touch(mode=0o755)
    assert has_desktop({"PATH": str(tmp_path), **environ}, platform) is found


def test_a_display_without_a_browser_is_no_desktop(tmp_path):
    """A bare X server opens nothing."""
    assert not has_desktop({"DISPLAY": ":0", "PATH": str(tmp_path)}, "linux")
    assert not open_browser("https://example.com", {"PATH": str(tmp_path)}, "linux")


def test_the_persons_own_browser(tmp_path):
    """``BROWSER`` comes first, and gets the link as its one word."""
    for name in ("mine", "xdg-open"):
        script = tmp_path / name
        script.write_text(f'#!/bin/sh\necho "{name} $1" > "{tmp_path}/opened"; echo noise\n')
        script.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:{os.defpath}", "BROWSER": "absent:two words:mine"}
    assert open_browser("https://example.com/?a=1&b=2", environ, "linux")
    opened = tmp_path / "opened"
    until_sync(lambda: opened.exists() and opened.read_text().endswith("\n"))
    assert opened.read_text() == "mine https://example.com/?a=1&b=2\n"
