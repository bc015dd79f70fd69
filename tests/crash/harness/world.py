"""One broker with its own issuer, home, accounts and clock, whose processes can be killed at will."""

import json
import random
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from broker.admin.client import SocketCaller
from broker.refresh.journals import Journals
from broker.seal.keyfile import load_keyring
from fetchtoken.oauth.journal import Phase
from tests.crash.harness.verdict import Held
from tests.crash.harness.victim import Victim
from tests.support.issuer import Issuer, Login
from tests.support.programs import Machine

__all__ = ["World"]

_LIFE_S = 1_000_000
_DUE_AT = 0.05
"""The least part of a life that the settings allow: tokens fall due often and expire late."""

_STEP_S = 0.12 * _LIFE_S
"""Beyond the due time with its jitter: one step of the clock makes every account due."""

_SLOWEST_ANSWER_S = 0.2


class World:
    """A machine with a broker on it, and the issuer that the broker trusts.

    Args:
        root: an empty directory.
        issuer: a strict one of this world's own.
        rng: decides whatever is left to chance.
        accounts: how many accounts the broker keeps.
    """

    def __init__(self, root: Path, issuer: Issuer, rng: random.Random, *, accounts: int) -> None:
        self.issuer = issuer
        self.machine = Machine(root)
        self.home = self.machine.home / ".local" / "state" / "codex-broker"
        self.log = root / "daemon.err"
        self.logins: dict[str, Login] = {}
        self.key = ""
        self.victim: Victim | None = None
        self._rng = rng
        self._names = [f"account-{number}" for number in range(accounts)]
        self._offset_s = 0.0

    def found(self) -> Victim:
        """Make home, accounts and client; return the first daemon, serving."""
        made = self.machine.broker("init")
        assert made.code == 0, made
        self._write_settings()
        victim = self.start()
        victim.until_ready()
        for name in self._names:
            self.renew_login(name)
        made_client = self.call(
            "client_add", name="client", accounts=self._names, default=self._names[0], scopes=["token"]
        )
        self.key = str(made_client["api_key"])
        victim.until_serving(self.key)
        return victim

    def start(self) -> Victim:
        """Start the daemon; the issuer answers at a new pace from now on."""
        self.issuer.clear_faults()
        self.issuer.fault("slow", times=-1, seconds=self._rng.uniform(0, _SLOWEST_ANSWER_S))
        self.victim = Victim(self.machine, self.log)
        return self.victim

    def end(self) -> None:
        """Kill what still runs."""
        if self.victim is not None:
            self.victim.kill()

    def let_all_fall_due(self) -> None:
        """Put the clocks of broker and issuer on, so that the next start finds every account due."""
        self._offset_s += _STEP_S
        self.issuer.settings(offset_s=self._offset_s)
        self._write_settings()

    def call(self, operation: str, /, **params: Any) -> Any:
        """Have the daemon do an administrative operation."""
        return SocketCaller(self.home / "admin.sock")(operation, **params)

    def refresh_all(self) -> list[dict[str, Any]]:
        """Have every account exchanged now; return the outcomes."""
        outcomes: list[dict[str, Any]] = self.call("account_refresh", force=True)
        return outcomes

    def renew_login(self, name: str) -> None:
        """Log the account's user in at the issuer, and bring the login into the broker."""
        former = self.logins.get(name)
        same = {"account_id": former.account_id, "user_id": f"user-{name}"} if former else {}
        login = self.issuer.mint(life_s=_LIFE_S, **{"user_id": f"user-{name}", **same})
        documents = [{"text": json.dumps(login.document), "path": f"{name}.json"}]
        self.call("account_import", documents=documents, name=name, sole_owner=True)
        self.logins[name] = login

    def held(self) -> list[Held]:
        """Return every account as the store has it; the daemon must be running."""
        query = "SELECT name, state, generation, coalesce(attempt_id, '') FROM accounts ORDER BY name"
        with closing(sqlite3.connect(f"file:{self.home / 'broker.db'}?mode=ro", uri=True)) as store:
            return [Held(*row) for row in store.execute(query)]

    def is_running_out(self) -> bool:
        """Tell whether some access token may expire within three more steps of the clock."""
        with closing(sqlite3.connect(f"file:{self.home / 'broker.db'}?mode=ro", uri=True)) as store:
            (first_s,) = store.execute("SELECT min(expires_at) FROM accounts").fetchone()
        return bool(first_s < time.time() + self._offset_s + 3 * _STEP_S)

    def attempts(self) -> set[str]:
        """Return the attempts that have a journal file."""
        return {path.stem for path in (self.home / "journal").glob("*.journal")}

    def phase(self, attempt_id: str) -> Phase:
        """Return how far an attempt got, by its journal file."""
        journals = Journals(str(self.home / "journal"), load_keyring(self.home / "master.key"))
        return journals.look(attempt_id).phase

    def _write_settings(self) -> None:
        text = (
            f'[server]\nport = 0\n[issuer]\nurl = "{self.issuer.url}"\n'
            f"[refresh]\nat = {_DUE_AT}\n[clock]\noffset = {self._offset_s}\n"
        )
        self.machine.write(str((self.home / "broker.toml").relative_to(self.machine.home)), text)
