"""Row 10 of the reliability table: each answer of the issuer, through a real daemon.

Every cell has two accounts: a stale one, whose token is still served, and an expired one. The
scheduler sends both by itself; the issuer's log says what was sent, and when again.
"""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pytest

from broker.sandbox.faults import FAULTS
from fetchtoken.domain.errors import FetchTokenError
from fetchtoken.oauth.outcome import Kind
from tests.crash.table_issuer import CELLS, KILLED, NOTHING, PATIENCE_S, ROTATED, Cell, ids
from tests.crash.table_network import NETWORK
from tests.support.daemon import Daemon, running_daemon
from tests.support.issuer import Issuer, Login, issuer_in_thread
from tests.support.laptop import EXPIRED, STALE
from tests.support.programs import Machine
from tests.support.wait import until_sync

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(300)]

LONG = {"hang", "commit-then-hang"}
"""These take the thirty seconds of an exchange's limit."""
FIRST_BACKOFF_S = (3.749, 6.251)
"""Five seconds, a quarter either way."""
AGES = {"stale": STALE, "expired": EXPIRED}


@dataclass(frozen=True)
class Means:
    """What a class means for an account.

    Attributes:
        state: the account's, afterwards.
        new: a new token is served, where one is.
        status: answer for the expired account.
        code: its problem.
        exit_code: of ``codex-fetchtoken`` for the expired account, and of a further
            ``account refresh`` of the stale one.
        again: it is sent again by itself: after a back-off.
    """

    state: str
    new: bool
    status: int
    code: str
    exit_code: int
    again: bool


MEANS = {
    Kind.TOKENS: Means("active", new=True, status=200, code="", exit_code=0, again=False),
    Kind.REFUSED: Means(
        "login_required", new=False, status=503, code="login_required", exit_code=3, again=False
    ),
    Kind.TRY_LATER: Means("active", new=False, status=503, code="unavailable", exit_code=5, again=True),
    Kind.UNKNOWN: Means("in_doubt", new=False, status=503, code="unavailable", exit_code=5, again=True),
}


class Bench:
    """A daemon, its issuer, and a client that may have every account."""

    def __init__(self, daemon: Daemon, issuer: Issuer, laptop: Machine) -> None:
        self.daemon = daemon
        self.issuer = issuer
        self.laptop = laptop
        self._numbers = count(1)
        daemon.hold(issuer.mint(), "other")
        self.key = daemon.add_client("all", "other")

    def hold(self, cell: Cell, **life: int) -> tuple[str, Login]:
        """Take in a login whose first exchange meets the cell's answer; return the account's name."""
        login = self.issuer.mint(**life)
        if cell.fault:
            # The shape is a setting of the whole issuer: one account at a time.
            self.issuer.settings(error_shape=cell.shape)
            self.issuer.fault(cell.fault, login_id=login.login_id, seconds=cell.patience_s or 1)
        name = f"account{next(self._numbers)}"
        self.daemon.hold(login, name)
        self.daemon.call("client_grant", name="all", accounts=[name])
        return name, login

    def shown(self, name: str) -> dict[str, Any]:
        return dict(self.daemon.call("account_show", name=name))

    def until_settled(self, name: str) -> dict[str, Any]:
        """Wait until the first exchange of an account came to something."""
        found: dict[str, Any] = {}

        def over() -> bool:
            found.update(self.shown(name))
            return bool(found["failures"] or found["generation"])

        until_sync(over, within_s=60, pause_s=0.05)
        return found

    def not_before_s(self, name: str) -> float:
        """Return what ``account show`` does not: from when it may be sent again."""
        return float(self._one("SELECT not_before_s FROM accounts WHERE name = ?", name)["not_before_s"])

    def judged(self, name: str) -> tuple[str, float]:
        """Return the class of the first attempt and when it was judged, from its audit record."""
        query = (
            "SELECT at, outcome, action FROM audit WHERE account = ? AND action NOT IN ('account.added',"
            " 'account.attempt', 'account.identity_alarm', 'token.served') ORDER BY at LIMIT 1"
        )
        found = self._one(query, name)
        kind = "tokens" if found["action"] == "account.rotated" else str(found["outcome"])
        return kind, float(found["at"])

    def _one(self, query: str, name: str) -> dict[str, Any]:
        with closing(sqlite3.connect(self.daemon.home / "broker.db")) as store:
            store.row_factory = sqlite3.Row
            return dict(store.execute(query, (name,)).fetchone())

    def fetch(self, name: str) -> tuple[int, str]:
        """Run the client's command for an account; return exit code and token."""
        ran = self.laptop.fetch(
            "--account",
            name,
            "--min-valid",
            "0",
            "--no-cache",
            CODEX_TOKEN_SOURCE="remote",
            CODEX_REMOTE_URL=self.daemon.url,
            CODEX_REMOTE_API_KEY=self.key,
        )
        return ran.code, ran.out.strip()

    def refresh(self, name: str) -> int:
        """Have an account refreshed as far as it is due; return the exit code that the command would have."""
        try:
            self.daemon.call("account_refresh", name=name)
        except FetchTokenError as error:
            return error.exit_code
        return 0

    def sent(self, login: Login) -> list[dict[str, Any]]:
        """Return the issuer's record of the exchanges of a login."""
        return [entry for entry in self.issuer.exchanges() if entry["login_id"] == login.login_id]

    def decisions(self, login: Login) -> list[str]:
        return [entry["decision"] for entry in self.sent(login)]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    with running_bench(tmp_path_factory.mktemp("faults")) as made:
        yield made


@contextmanager
def running_bench(root: Path) -> Iterator[Bench]:
    (root / "client").mkdir()
    with (
        issuer_in_thread() as issuer,
        running_daemon(root, issuer.url, CODEX_BROKER_REFRESH_PARALLEL="8") as daemon,
    ):
        yield Bench(daemon, issuer, Machine(root / "client"))


@pytest.fixture(scope="module")
def under_way(bench):
    """Begin what takes long before anything else."""
    with ThreadPoolExecutor() as pool:
        yield {cell: pool.submit(carry_out, bench, cell) for cell in CELLS if cell.fault in LONG}


def check_row(bench: Bench, cell: Cell, name: str) -> None:
    """Class, state, the word for it, and the earliest time of another sending."""
    means = MEANS[cell.kind]
    shown, not_before_s = bench.until_settled(name), bench.not_before_s(name)
    kind, judged_s = bench.judged(name)
    assert kind == cell.kind
    assert (shown["state"], shown["last_error"]) == (means.state, cell.word)
    assert shown["generation"] == int(means.new)
    wait_s = not_before_s - judged_s
    if cell.patience_s:
        assert wait_s == pytest.approx(cell.patience_s, abs=0.001)
    elif means.again:
        assert FIRST_BACKOFF_S[0] <= wait_s <= FIRST_BACKOFF_S[1]


def carry_out(bench: Bench, cell: Cell) -> None:
    """Do one cell with an expired and a stale account."""
    means = MEANS[cell.kind]
    expired, dead = bench.hold(cell, **EXPIRED)
    stale, live = bench.hold(cell, **STALE)

    check_row(bench, cell, expired)
    answer = bench.daemon.get(f"/codex/{expired}", bench.key)
    assert (answer.status, answer.code) == (means.status, means.code)
    if cell.kind is Kind.TRY_LATER:
        assert 5 <= int(answer.headers["retry-after"]) <= max(cell.patience_s, 7)
    exit_code, token = bench.fetch(expired)
    assert (exit_code, bool(token)) == (means.exit_code, means.new)
    assert bench.decisions(dead) == [cell.log]

    check_row(bench, cell, stale)
    assert bench.daemon.get(f"/codex/{stale}", bench.key).status == 200
    exit_code, token = bench.fetch(stale)
    assert (exit_code, token != live.access_token) == (0, means.new)
    assert bench.issuer.alive(token)
    assert bench.refresh(stale) == means.exit_code
    assert bench.decisions(live) == [cell.log]


@pytest.mark.parametrize("cell", CELLS, ids=ids(CELLS))
def test_each_answer_has_its_class_state_and_service(bench, under_way, cell):
    """What clients get, what the commands end with, and what the row says: the table of the design."""
    if cell in under_way:
        under_way[cell].result()
    else:
        carry_out(bench, cell)


def test_every_fault_of_the_strict_issuer_is_a_cell():
    """But those that only hold an answer back; and each class has cells."""
    faults = {cell.fault.removeprefix("commit-then-") for cell in CELLS}
    assert FAULTS.keys() - faults == {"hold", "hold-before"}
    assert {cell.kind for cell in [*CELLS, *NETWORK]} == set(Kind)


def follows(cell: Cell) -> dict[str, list[str]]:
    """Return the issuer's whole log of a stale and of an expired account, once nothing follows any more."""
    if cell.kind in (Kind.TOKENS, Kind.REFUSED):
        return {"expired": [cell.log]}
    again = ROTATED if cell.log == NOTHING else KILLED
    if cell.kind is Kind.TRY_LATER:
        return {"stale": [cell.log, again], "expired": [cell.log, again]}
    if cell.fault == "no-access-token":
        # Its refresh token arrived: that one is the login now, and is sent instead of a replay.
        again = ROTATED
    return {"stale": [cell.log], "expired": [cell.log, again]}


def test_what_follows_each_answer_by_itself(tmp_path):
    """Each is sent again exactly where the table lets it be, and never before its time."""
    cells = [cell for cell in CELLS if cell.shape == "nested" and cell.fault not in LONG]
    last = Cell(fault="503-retry-after", kind=Kind.TRY_LATER, patience_s=PATIENCE_S + 1)
    with running_bench(tmp_path) as bench:
        held = {cell: {age: bench.hold(cell, **AGES[age])[1] for age in follows(cell)} for cell in cells}
        _, sentinel = bench.hold(last, **STALE)
        until_sync(lambda: len(bench.sent(sentinel)) == 2, within_s=120, pause_s=0.5)
        wanted = {str(cell): follows(cell) for cell in cells}
        with suppress(AssertionError):  # told below, cell by cell
            until_sync(lambda: decisions(bench, held) == wanted, within_s=60, pause_s=0.5)
        assert decisions(bench, held) == wanted
        for cell, logins in held.items():
            for login in logins.values():
                assert_patient(cell, bench.sent(login))


def decisions(bench: Bench, held: dict[Cell, dict[str, Login]]) -> dict[str, dict[str, list[str]]]:
    """Return the issuer's log of each account."""
    found: dict[str, list[str]] = {}
    for entry in bench.issuer.exchanges():
        found.setdefault(entry["login_id"], []).append(entry["decision"])
    return {
        str(cell): {age: found.get(login.login_id, []) for age, login in logins.items()}
        for cell, logins in held.items()
    }


def assert_patient(cell: Cell, sent: list[dict[str, Any]]) -> None:
    """No two requests for a login are closer than the back-off, or than what the issuer asked for."""
    # Its clock ticks in whole seconds.
    least_s = (cell.patience_s or FIRST_BACKOFF_S[0]) - 1
    if cell.fault == "no-access-token":
        return
    for earlier, later in pairwise(datetime.fromisoformat(entry["at"]) for entry in sent):
        assert (later - earlier).total_seconds() >= least_s, f"{cell}: {sent}"
