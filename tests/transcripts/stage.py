"""Where transcripts are played: a person's home, both programs, a strict issuer, and what directives do."""

import json
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Self

from fetchtoken.domain.claims import unsigned_jwt
from tests.support.broker import BROKER, FETCHTOKEN, LIMIT_S, Broker
from tests.support.command import Ran, World
from tests.support.issuer import Issuer
from tests.support.ports import hold_ports
from tests.support.sshd import SshHost, key_pair, ssh_host
from tests.support.tool_files import put, tool_document
from tests.support.visitor import approve_device, decide, visit
from tests.support.wait import until_sync
from tests.support.walking import LOGIN_ISSUER
from tests.transcripts.plain import plain

__all__ = ["Stage"]

_ROOT = Path(__file__).parents[2]
_BIN = Path(sys.executable).parent
_PROGRAMS = {"codex-broker": BROKER, "codex-fetchtoken": FETCHTOKEN}


class Stage:
    """Who is on stage, and what directives do.

    Attributes:
        world: the person's home, with a project in it; runs ``codex-fetchtoken``.
        broker: runs ``codex-broker``, whose home is ``~/home``.
        issuer: gives the logins.
    """

    def __init__(self, root: Path, issuer: Issuer) -> None:
        self.world = World(root)
        self.home = self.world.home
        self.broker = Broker(self.home, issuer)
        self.issuer = issuer
        self._real = False
        self.world.environ[LOGIN_ISSUER] = issuer.url
        self._url = "http://HOST:PORT"
        self._host: SshHost | None = None
        self._left: subprocess.Popen[bytes] | None = None
        self._stack = ExitStack()
        self._acts: dict[str, Callable[..., None]] = {
            "mint": self.mint,
            "tool": self.tool,
            "copy": self.copy,
            "write": self.write,
            "mode": self.mode,
            "cut": self.cut,
            "spoil": self.spoil,
            "fault": self.fault,
            "link": self.link,
            "remove": self.remove,
            "rival": self.rival,
            "foreign": self.foreign,
            "sql": self.sql,
            "set": self.set,
            "unset": self.unset,
            "processes": self.processes,
            "serve": self.serve,
            "take": self.take,
            "until": self.until,
            "ports": self.ports,
            "decide": self.decide,
            "ssh": self.ssh,
            "known": self.known,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._left is not None:
            self._left.kill()
            self._left.wait()
        self._stack.close()

    def act(self, words: list[str]) -> list[str]:
        """Carry out a directive; return what is to be read below it."""
        if words[0] in ("end", "stop"):
            return self._leave(*words)
        self._acts[words[0]](*words[1:])
        return []

    # What the issuer does

    def mint(self, name: str, *wishes: str) -> None:
        """Log in at the issuer; ``~/NAME.json`` gets the file that Codex would write."""
        pairs = dict(wish.split("=", 1) for wish in wishes)
        known = {"email": f"{name}@example.com", "account_id": f"acct-{name}", "user_id": f"user-{name}"}
        numbers = {key: int(value) for key, value in pairs.items() if key.endswith("_s")}
        login = self.issuer.mint(**{**known, **pairs, **numbers})
        login.write(self.home / f"{name}.json")

    def rival(self, name: str) -> None:
        """Another holder exchanges the refresh token of a file in the home directory."""
        document = json.loads((self.home / name).read_text())
        assert self.issuer.exchange(document["tokens"]["refresh_token"])[0] == 200

    def fault(self, *words: str) -> None:
        """Let the next exchange fail, or with ``revoke`` the next revocation."""
        if words[0] == "revoke":
            self.issuer.fault(words[1], route="/oauth/revoke")
        else:
            self.issuer.fault(words[0])

    def foreign(self, name: str, issuer: str) -> None:
        """Write an auth file whose tokens come from another issuer."""
        auth = {"chatgpt_account_id": "acct-x", "chatgpt_user_id": "user-x"}
        token = unsigned_jwt({"iss": issuer, "exp": 4_000_000_000, "https://api.openai.com/auth": auth})
        tokens = {"id_token": token, "access_token": token, "refresh_token": "rt_x", "account_id": "acct-x"}
        self.write(name, json.dumps({"tokens": tokens}))

    def ports(self) -> None:
        """Take the two ports to which browsers are sent back, until the end."""
        self._stack.enter_context(hold_ports())

    def decide(self, decision: str, email: str) -> None:
        """Go to the page that the login left running shows, and decide there."""
        self.issuer.settings(device_interval_s=0)
        until_sync(lambda: _shown(self._output()[1]) != [], within_s=LIMIT_S)
        link, *more = _shown(self._output()[1])
        if "/oauth/authorize?" in link:
            visit(decide(link, decision=decision, email=email))
        else:
            assert approve_device(self.issuer.url, more[0], decision=decision, email=email).status == 200

    # Files in the home directory

    def tool(self, form: str, name: str, path: str, *more: str) -> None:
        """Write the login of ``~/NAME.json`` as a tool keeps it; ``more``: JSON members on top."""
        tokens = json.loads((self.home / f"{name}.json").read_text())["tokens"]
        who = {"account_id": tokens["account_id"], "email": f"{name}@example.com"}
        document = tool_document(form, tokens["access_token"], tokens["refresh_token"], **who)
        put(self.home / path, {**document, **json.loads(" ".join(more) or "{}")})

    def copy(self, old: str, new: str) -> None:
        """Copy a file, 0600."""
        self._target(new).write_text((self.home / old).read_text())

    def write(self, name: str, *words: str) -> None:
        r"""Write a file, 0600; ``\n`` breaks the line, ``$HOME`` is the home directory."""
        text = " ".join(words).replace("\\n", "\n").replace("$HOME", str(self.home))
        self._target(name).write_text(text)

    def _target(self, name: str) -> Path:
        target = self.home / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch(mode=0o600)
        return target

    def take(self, pattern: str, old: str, new: str) -> None:
        """Write what a pattern finds in a file into another, 0600."""
        found = re.search(pattern, (self.home / old).read_text())
        assert found, (pattern, old)
        self._target(new).write_text(found[0])

    def cut(self, name: str, count: str) -> None:
        """Take bytes off the end of a file."""
        path = self.home / name
        path.write_bytes(path.read_bytes()[: -int(count)])

    def spoil(self, name: str) -> None:
        """Change one bit of the last byte of a file."""
        path = self.home / name
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes((content[-1] ^ 1,)))

    def link(self, old: str, new: str) -> None:
        """Give a file a second name."""
        (self.home / new).hardlink_to(self.home / old)

    def remove(self, name: str) -> None:
        """Remove a file."""
        (self.home / name).unlink()

    def mode(self, mode: str, name: str) -> None:
        """Change a file's mode."""
        (self.home / name).chmod(int(mode, 8))

    def sql(self, *words: str) -> None:
        """Write into the store past the broker."""
        with closing(sqlite3.connect(self.broker.home / "broker.db", isolation_level=None)) as connection:
            connection.execute(" ".join(words))

    # Another host

    def ssh(self, alias: str, name: str) -> None:
        """Run a host that ``~/.ssh/config`` knows by an alias; it has the login of ``~/NAME.json``."""
        self._host = self._stack.enter_context(ssh_host(self.home.parent / alias))
        self._host.admit(key_pair(self.home / ".ssh" / "id_ed25519"))
        (self._host.home / ".codex").mkdir()
        (self._host.home / ".codex" / "auth.json").write_text((self.home / f"{name}.json").read_text())
        self.write(".ssh/config", f"Host {alias}\\n  HostName 127.0.0.1\\n  Port {self._host.port}\\n")

    def known(self) -> None:
        """Write the host's own key into ``~/.ssh/known_hosts``."""
        assert self._host is not None, "there is no host"
        self.write(".ssh/known_hosts", self._host.known_line())

    # How programs run

    def set(self, key: str, value: str) -> None:
        """Put a variable into the environment of both programs."""
        for environ in (self.world.environ, self.broker.environ):
            environ[key] = self._at_home(value)

    def unset(self, key: str) -> None:
        """Take a variable out of the environment of both programs."""
        for environ in (self.world.environ, self.broker.environ):
            environ.pop(key, None)

    def processes(self) -> None:
        """Run each command as a process of its own from here on."""
        self._real = True

    def serve(self) -> None:
        """Start the daemon, and let ``codex-fetchtoken`` ask it where it is told to use a broker."""
        daemon = self._stack.enter_context(self.broker.daemon())
        self.world.environ["CODEX_REMOTE_URL"] = self._url = daemon.url

    def run(self, words: list[str], stdin: str, stdout: str, *, stays: bool = False) -> list[str]:
        """Run a command line; return what it says, as a transcript's lines."""
        program, *arguments = [self._at_home(word) for word in words]
        given = Path(self._at_home(stdin)).read_text() if stdin else ""
        if stays:
            self._start(program, arguments)
            return []
        runner = self.broker if program == "codex-broker" else self.world
        ran = (runner.process if self._real else runner.run)(*arguments, stdin=given)
        if stdout:
            self._target(stdout.removeprefix("~/")).write_text(ran.out)
            ran = Ran(ran.code, "", ran.err)
        return self._said(ran)

    def until(self, *words: str) -> None:
        """Wait until what was left running has said this."""
        text, process = " ".join(words), self._left
        assert process is not None, "nothing was left running"
        until_sync(lambda: text in "".join(self._output()) or process.poll() is not None, within_s=LIMIT_S)
        assert text in "".join(self._output()), self._output()

    def _start(self, program: str, arguments: list[str]) -> None:
        assert self._left is None, "one command at a time is left running"
        with (self.home / "stdout").open("w") as out, (self.home / "stderr").open("w") as err:
            self._left = subprocess.Popen(
                [*_PROGRAMS[program], *arguments],
                env={**self.broker.environ, **self.world.environ, "PYTHONPATH": str(_ROOT)},
                cwd=self.world.project,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def _leave(self, how: str, number: str = "TERM") -> list[str]:
        """Wait for what was left running, after a signal where it would not end; return what it said."""
        process, self._left = self._left, None
        assert process is not None, "nothing was left running"
        if how == "stop":
            process.send_signal(signal.Signals[f"SIG{number}"])
        code = process.wait(LIMIT_S)
        out, err = self._output()
        log = [line for line in err.splitlines(keepends=True) if not line.startswith("{")]
        return self._said(Ran(code, out, "".join(log)))

    def _output(self) -> tuple[str, str]:
        return (self.home / "stdout").read_text(), (self.home / "stderr").read_text()

    def _said(self, ran: Ran) -> list[str]:
        shown = self.plain(ran.out).splitlines()
        shown += [f"! {text}".rstrip() for text in self.plain(ran.err).splitlines()]
        return shown + ([f"[{ran.code}]"] if ran.code else [])

    def _at_home(self, word: str) -> str:
        """Put a path in the home directory, and the daemon's address, where a word names them."""
        return word.replace("~/", f"{self.home}/").replace("http://HOST:PORT", self._url)

    def plain(self, text: str) -> str:
        """Return a text with everything that changes from run to run put by its name."""
        for value, name in ((self.issuer.url, "ISSUER"), (str(self.home), "~"), (f"{_BIN}/", "")):
            text = text.replace(value, name)
        return plain(text)


def _shown(err: str) -> list[str]:
    """Return what a login shows to copy: a link, or an address and a code, once it is all there."""
    lines = [line.strip() for line in err.splitlines() if line.startswith("  ") and err.endswith("\n")]
    return lines if len(lines) > 1 or (lines and "/oauth/authorize?" in lines[0]) else []
