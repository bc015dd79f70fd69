"""An office with a broker: each machine that is enrolled has an account and a credential of its own.

Tests share the broker, and nothing else; who stops it starts it again.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from tests.support.codex_files import access_jwt, write_codex_file
from tests.support.daemon import Daemon, running_daemon
from tests.support.issuer import Issuer, Login, issuer_in_thread

__all__ = ["Enrolled", "Office", "running_office"]


@dataclass(frozen=True)
class Enrolled:
    """A machine that holds a credential where Codex would hold a refresh token.

    Attributes:
        office: where it is enrolled.
        name: of its client, and of its account.
        login: the account's, as it was taken in.
        key: its API key.
        credential: its machine credential.
    """

    office: "Office"
    name: str
    login: Login
    key: str
    credential: str

    @property
    def environment(self) -> dict[str, str]:
        """Lead Codex's refreshes and revocations to the broker."""
        url = self.office.daemon.url
        return {
            "CODEX_REFRESH_TOKEN_URL_OVERRIDE": f"{url}/oauth/token",
            "CODEX_REVOKE_TOKEN_URL_OVERRIDE": f"{url}/oauth/revoke",
        }

    @property
    def remote(self) -> dict[str, str]:
        """Lead our command to the broker, which it asks each time."""
        return {
            "CODEX_TOKEN_SOURCE": "remote",
            "CODEX_REMOTE_URL": self.office.daemon.url,
            "CODEX_REMOTE_API_KEY": self.key,
            "CODEX_CACHE_MAX_AGE": "0",
        }

    def write(self, home: Path, access_token: str = "", **changes: Any) -> Path:
        """Write the file of a login at the broker; its access token has ended unless one is given."""
        known = self.login.document["tokens"]
        who = {key: known[key] for key in ("id_token", "account_id")}
        token = access_token or access_jwt(-60)
        return write_codex_file(home, token, **{**who, "refresh_token": self.credential, **changes})

    def token(self) -> str:
        """Return what the broker holds now."""
        return str(self.office.daemon.get("/codex", self.key).document["access_token"])

    def rotate(self) -> str:
        """Have an exchange made; return the token that is current from then on."""
        self.office.daemon.call("account_refresh", name=self.name, force=True)
        return self.token()

    @property
    def exchanges(self) -> int:
        """How many exchanges of the account's login there were, by the issuer's log."""
        return int(self.office.issuer.login(self.login.login_id)["exchanges"])

    @property
    def refreshes(self) -> list[tuple[int, str]]:
        """Status and code of every answer to its refreshes, by the broker's log."""
        mentions = f'"client": "{self.name}"'
        lines = [json.loads(line) for line in self.office.daemon.log.splitlines() if mentions in line]
        mine = [
            line for line in lines if (line.get("route"), line.get("client")) == ("/oauth/token", self.name)
        ]
        return [(line["status"], line.get("code", "")) for line in mine]

    @property
    def state(self) -> str:
        """What the broker says of its credential."""
        [machine] = self.office.daemon.call("client_show", name=self.name)["machines"]
        return str(machine["state"])


@dataclass(frozen=True)
class Office:
    """The broker and its issuer."""

    daemon: Daemon
    issuer: Issuer
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def enrol(self, *, of: Enrolled | None = None, expires_s: int | None = None, **wishes: Any) -> Enrolled:
        """Enrol a machine.

        Args:
            of: another one, whose account it shall have.
            expires_s: of its client.
            **wishes: of its account's login, such as ``age_s``.
        """
        name = f"machine-{next(self._numbers)}"
        account = of.name if of else name
        login = of.login if of else self.issuer.mint(email=f"{name}@example.com", **wishes)
        if of is None:
            self.daemon.hold(login, name)
        made = self.daemon.call(
            "client_add",
            name=name,
            accounts=[account],
            scopes=["token"],
            machine=True,
            expires_s=expires_s,
        )
        return Enrolled(self, name, login, made["api_key"], made["refresh_token"])


@contextmanager
def running_office(root: Path) -> Iterator[Office]:
    """Serve until the block ends; what was asked of the issuer but for tokens is in its log."""
    with issuer_in_thread() as issuer, running_daemon(root, issuer.url) as daemon:
        yield Office(daemon, issuer)
