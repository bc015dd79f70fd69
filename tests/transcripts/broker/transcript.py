"""Reads and plays transcripts: what a person types, and every line that comes back.

::

    Free text that tells the story.

    @ mint work                   a directive: something happens on stage
    $ codex-broker account list   a command, and then its whole output:
    work  pro  …                  a line on stdout
    ! hint: …                     a line on stderr
    [2]                           the exit code, where it is not 0

Blocks are separated by empty lines. Paths, times, keys, addresses and ids are written as
``~``, ``TIME``, ``cbk_KEY``, ``ISSUER`` and so on, so that the text reads the same every time.
"""

import json
import re
import shlex
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from fetchtoken.domain.claims import unsigned_jwt
from tests.support.broker import Broker
from tests.support.issuer import Issuer

__all__ = ["Stage", "play", "stories"]

HERE = Path(__file__).parent


def stories() -> list[Path]:
    """Return every transcript."""
    return sorted(HERE.glob("*.txt"))


@dataclass
class Stage:
    """Who is on stage, and what directives do."""

    broker: Broker
    issuer: Issuer

    def act(self, words: list[str]) -> None:
        """Carry out a directive."""
        acts: dict[str, Callable[..., None]] = {
            "mint": self.mint,
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
        }
        acts[words[0]](*words[1:])

    def mint(self, name: str, *wishes: str) -> None:
        """Log in at the issuer; ``~/NAME.json`` gets the file that Codex would write."""
        pairs = dict(wish.split("=", 1) for wish in wishes)
        known = {"email": f"{name}@example.com", "account_id": f"acct-{name}", "user_id": f"user-{name}"}
        numbers = {key: int(value) for key, value in pairs.items() if key.endswith("_s")}
        login = self.issuer.mint(**{**known, **pairs, **numbers})
        login.write(self.broker.root / f"{name}.json")

    def copy(self, old: str, new: str) -> None:
        """Copy a file in the home directory, 0600."""
        target = self.broker.root / new
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch(mode=0o600)
        target.write_text((self.broker.root / old).read_text())

    def write(self, name: str, *words: str) -> None:
        """Write a file in the home directory, 0600."""
        target = self.broker.root / name
        target.touch(mode=0o600)
        target.write_text(" ".join(words).replace("\\n", "\n"))

    def cut(self, name: str, count: str) -> None:
        """Take bytes off the end of a file in the home directory."""
        path = self.broker.root / name
        path.write_bytes(path.read_bytes()[: -int(count)])

    def spoil(self, name: str) -> None:
        """Change one bit of the last byte of a file in the home directory."""
        path = self.broker.root / name
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes((content[-1] ^ 1,)))

    def link(self, old: str, new: str) -> None:
        """Give a file in the home directory a second name."""
        (self.broker.root / new).hardlink_to(self.broker.root / old)

    def remove(self, name: str) -> None:
        """Remove a file in the home directory."""
        (self.broker.root / name).unlink()

    def rival(self, name: str) -> None:
        """Another holder exchanges the refresh token of a file in the home directory."""
        document = json.loads((self.broker.root / name).read_text())
        assert self.issuer.exchange(document["tokens"]["refresh_token"])[0] == 200

    def fault(self, *words: str) -> None:
        """Let the next exchange fail, or with ``revoke`` the next revocation."""
        if words[0] == "revoke":
            self.issuer.fault(words[1], route="/oauth/revoke")
        else:
            self.issuer.fault(words[0])

    def mode(self, mode: str, name: str) -> None:
        """Change a file's mode."""
        (self.broker.root / name).chmod(int(mode, 8))

    def foreign(self, name: str, issuer: str) -> None:
        """Write an auth file whose tokens come from another issuer."""
        auth = {"chatgpt_account_id": "acct-x", "chatgpt_user_id": "user-x"}
        token = unsigned_jwt({"iss": issuer, "exp": 4_000_000_000, "https://api.openai.com/auth": auth})
        tokens = {"id_token": token, "access_token": token, "refresh_token": "rt_x", "account_id": "acct-x"}
        self.write(name, json.dumps({"tokens": tokens}))

    def sql(self, *words: str) -> None:
        """Write into the store past the broker."""
        with closing(sqlite3.connect(self.broker.home / "broker.db", isolation_level=None)) as connection:
            connection.execute(" ".join(words))

    def plain(self, text: str) -> str:
        """Return a text with everything that changes from run to run put by its name."""
        text = text.replace(self.issuer.url, "ISSUER").replace(str(self.broker.root), "~")
        for pattern, name in _CHANGING:
            text = re.sub(pattern, name, text)
        return text


_CHANGING = (
    (r"uid:\d+ pid:\d+", "PEER"),
    (r" {2,}(ok|OUTCOME) ", r"  \1 "),  # the column before it is as wide as a pid
    (r"attempt [0-9a-f]{32}", "attempt ATTEMPT"),
    (r'("(mac|request_id|store_id)": )"[0-9a-f]+"', r'\1"HEX"'),
    (r'("at_s": )[0-9.]+', r"\1SECONDS"),
    (r'("home": )"[^"]+"', r'\1"HOST:HOME"'),
    (r'(\\"home\\":)\\"[^"]+\\"', r'\1\\"HOST:HOME\\"'),
    (r"\b[0-9a-f]{16}\b", "CHAIN"),
    (r"cbk_[0-9A-Za-z]{11}_[0-9A-Za-z]{49}", "cbk_KEY"),
    (r"eyJ[0-9A-Za-z_-]+\.[0-9A-Za-z_-]+\.[0-9A-Za-z_-]*", "JWT"),
    (r"\brt[_.][0-9A-Za-z_.-]+", "RT"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
    (r"(key_id:? *)[0-9A-Za-z]{11}", r"\1KEYID"),
    (r'("key_id": ")[0-9A-Za-z]{11}', r"\1KEYID"),
    (r"(?<![\w-])[0-9a-f]{8}(?![\w-])", "KEYID"),
    (r"[0-9a-f]{32}\.journal", "ATTEMPT.journal"),
    (r"127\.0\.0\.1:\d+", "HOST:PORT"),
)


def play(path: Path, stage: Stage) -> tuple[str, str]:
    """Play a transcript; return what was written and what was seen.

    Args:
        path: the transcript.
        stage: on which it is played.
    """
    written, seen = [], []
    for block in path.read_text().split("\n\n"):
        lines = block.strip("\n").splitlines()
        written.append("\n".join(lines))
        now: list[str] = []
        for line in lines:
            if line.startswith("@ "):
                stage.act(shlex.split(line[2:]))
                now.append(line)
            elif line.startswith("$ codex-broker"):
                now.append(line)
                now.extend(_run(stage, line))
            elif not any(kept.startswith("$ ") for kept in now):
                now.append(line)
        seen.append("\n".join(now))
    return "\n\n".join(written), "\n\n".join(seen)


def _run(stage: Stage, line: str) -> list[str]:
    command, _, file = line.removeprefix("$ codex-broker").partition(" < ")
    stdin = (stage.broker.root / file.strip().removeprefix("~/")).read_text() if file else ""
    words = [word.replace("~/", f"{stage.broker.root}/") for word in shlex.split(command)]
    ran = stage.broker.run(*words, stdin=stdin)
    shown = stage.plain(ran.out).splitlines()
    shown += [f"! {text}".rstrip() for text in stage.plain(ran.err).splitlines()]
    return shown + ([f"[{ran.code}]"] if ran.code else [])
