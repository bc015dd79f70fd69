"""The person at the terminal: what they are told, the QR code, the waiting line, what they paste."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from io import StringIO

__all__ = ["Person", "has_desktop", "open_browser"]

_QUIET_ZONE = 2
_REMOTE = ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY")
_OPENERS = ("xdg-open", "x-www-browser")
_LINE = 4096


class Person:
    """Whoever logs in.

    Args:
        note: takes a line for people.
        tell: writes text for people as it is; where nobody listens, nothing happens.
        environ: the environment.
        stdin: the descriptor on which they type, or -1 where that is no terminal.
        stderr: the descriptor that they read, or -1 where that is no terminal.
    """

    def __init__(
        self,
        note: Callable[[str], None],
        tell: Callable[[str], None],
        environ: Mapping[str, str],
        *,
        stdin: int,
        stderr: int,
    ) -> None:
        self._note = note
        self._tell = tell
        self.environ = environ
        # Windows waits for sockets only, so nobody can be listened to there while the browser is awaited.
        self.stdin = stdin if _is_terminal(stdin) and os.name == "posix" else -1
        self._plain = environ.get("TERM", "dumb") == "dumb"
        self._stderr = stderr if _is_terminal(stderr) else -1
        self._waiting = False

    def say(self, text: str) -> None:
        """Tell one line."""
        self.clear()
        self._note(text)

    def show(self, text: str) -> None:
        """Show something to copy, on a line of its own."""
        self.clear()
        self._tell(f"  {text}\n")

    def progress(self, text: str) -> None:
        """Show a line that the next one replaces; only where somebody looks at a terminal."""
        if self._stderr >= 0 and not self._plain:
            self._waiting = True
            self._tell(f"\r\x1b[K{text[: self._width() - 1]}")

    def clear(self) -> None:
        """Take the waiting line away."""
        if self._waiting:
            self._waiting = False
            self._tell("\r\x1b[K")

    def show_qr(self, link: str) -> None:
        """Draw a link for a telephone, where the terminal can show it whole."""
        if self._stderr < 0 or self._plain or not self._speaks_utf8():
            return
        import segno

        code = segno.make(link, error="l", micro=False)
        if code.symbol_size(border=_QUIET_ZONE)[0] > self._width():
            return
        drawn = StringIO()
        # Half blocks in the terminal's own two colours, light on dark as it is: no colour codes.
        code.terminal(drawn, border=_QUIET_ZONE, compact=True)
        self._tell(drawn.getvalue())

    def pasted(self) -> str:
        """Return the line that was typed; an empty one when the terminal was closed, and no more is read."""
        line = os.read(self.stdin, _LINE)
        if not line:
            self.stdin = -1
        return line.decode("utf-8", "replace").strip()

    def _width(self) -> int:
        try:
            return os.get_terminal_size(self._stderr).columns or 80
        except OSError:
            return 80

    def _speaks_utf8(self) -> bool:
        for name in ("LC_ALL", "LC_CTYPE", "LANG"):
            if value := self.environ.get(name):
                return value.lower().replace("-", "").endswith("utf8")
        return False


def _is_terminal(fd: int) -> bool:
    try:
        return fd >= 0 and os.isatty(fd)
    except OSError:
        return False


def has_desktop(environ: Mapping[str, str], platform: str) -> bool:
    """Tell whether a browser on this machine would be in front of the person.

    Args:
        environ: the environment.
        platform: ``sys.platform``.
    """
    if any(environ.get(name) for name in _REMOTE):
        return False
    if platform in ("darwin", "win32"):
        return True
    return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY")) and bool(_browser_command(environ))


def open_browser(link: str, environ: Mapping[str, str], platform: str) -> bool:
    """Open a link in the person's browser, which outlives us; return whether one was started.

    Args:
        link: what to open.
        environ: where ``BROWSER`` and ``PATH`` are looked up.
        platform: ``sys.platform``.
    """
    if platform == "win32":
        os.startfile(link)  # type: ignore[attr-defined]  # noqa: S606 - as the desktop opens links
        return True
    command = "/usr/bin/open" if platform == "darwin" else _browser_command(environ)
    if not command:
        return False
    quiet = subprocess.DEVNULL  # what a browser complains of is none of our output
    try:
        process = subprocess.Popen(  # noqa: S603 - the person's own browser
            [command, link],
            stdin=quiet,
            stdout=quiet,
            stderr=quiet,
            env=dict(environ),
            start_new_session=True,
        )
    except OSError:
        return False
    process.returncode = 0  # nobody waits for it
    return True


def _browser_command(environ: Mapping[str, str]) -> str:
    """Return the program that opens links: ``BROWSER``, else what desktops have; or an empty text."""
    path = environ.get("PATH", os.defpath)
    wanted = [word for word in environ.get("BROWSER", "").split(os.pathsep) if word and " " not in word]
    found = (shutil.which(word, path=path) for word in (*wanted, *_OPENERS))
    return next((command for command in found if command), "")
