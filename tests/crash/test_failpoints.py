"""Every step of an exchange, before and after, failing in every way: each cell ends where the table says."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crash.table_failpoints import BROKER, LOCAL
from tests.support.failpoints import BROKER_POINTS, FAULTS, LOCAL_POINTS
from tests.support.issuer import Issuer, issuer_in_thread
from tests.support.laptop import STALE, Laptop

pytestmark = [pytest.mark.timeout(120), pytest.mark.reliability]

_ROOT = Path(__file__).parents[2]


class Cells:
    """The server that runs them, and the issuer that judges."""

    def __init__(self, process: "subprocess.Popen[str]", issuer: Issuer) -> None:
        self._process = process
        self.issuer = issuer

    def run(self, directory: Path, where: str, fault: str, **more: Any) -> dict[str, Any]:
        """Run one cell; ``where`` is ``before POINT`` or ``after POINT``."""
        when, _, point = where.partition(" ")
        cell = {"directory": str(directory), "point": point, "when": when, "fault": fault, **more}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        issuer = [self.issuer.url, self.issuer.control_token]
        self._process.stdin.write(json.dumps({**cell, "issuer": issuer}) + "\n")
        self._process.stdin.flush()
        return dict(json.loads(self._process.stdout.readline()))

    def decisions(self, login_id: str, *, sent: int) -> list[str]:
        """Return what the issuer decided about a login, once it has seen so many requests of it."""
        found = self._decisions(login_id)
        while len(found) < sent:
            self.issuer.until_logged(len(self.issuer.log()) + 1)
            found = self._decisions(login_id)
        return found

    def _decisions(self, login_id: str) -> list[str]:
        return [entry["decision"] for entry in self.issuer.exchanges() if entry["login_id"] == login_id]


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cells]:
    """A strict issuer and the server of cells."""
    argv = [sys.executable, "-m", "tests.crash.cells", str(tmp_path_factory.mktemp("cells"))]
    with (
        issuer_in_thread() as issuer,
        subprocess.Popen(
            argv, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        yield Cells(process, issuer)
        assert process.stdin is not None
        process.stdin.close()


def each(table: dict[str, str]) -> list[Any]:
    return [
        pytest.param(where, fault, end, id=f"{where}-{fault}")
        for where, ends in table.items()
        for fault, end in zip(FAULTS, ends.split(), strict=True)
    ]


_SENT = {"old": [], "unsent": [], "new": ["rotated"], "doubt": ["rotated"]}


@pytest.mark.parametrize(("where", "fault", "end"), each(BROKER))
def test_the_broker_ends_where_the_table_says(
    cells: Cells, tmp_path: Path, where: str, fault: str, end: str
) -> None:
    """The issuer saw what the end allows, the login is held as it says, and nothing is left lying about."""
    found = cells.run(tmp_path, where, fault)
    row, live = found["row"], found["live"]
    login_id = (tmp_path / "login").read_text()
    assert cells.decisions(login_id, sent=len(_SENT[end])) == _SENT[end]
    generation = 1 if end == "new" else 0
    state = "active" if end in ("old", "new") else "in_doubt"
    assert (row["state"], row["generation"]) == (state, generation)
    if live is not None:
        assert live == {"state": state, "generation": generation}, "what the living daemon serves by"
    else:
        assert fault == "kill"
    with sqlite3.connect(tmp_path / "broker.db") as store:
        assert store.execute("SELECT count(*) FROM orphans").fetchone() == (0,)
    if state == "active":
        assert row["journals"] == []
        assert cells.issuer.exchange(row["refresh_token"])[0] == 200


@pytest.mark.parametrize(("where", "fault", "end"), each(LOCAL))
def test_the_local_source_ends_where_the_table_says(
    cells: Cells, tmp_path: Path, where: str, fault: str, end: str
) -> None:
    """The next plain command prints a live token, and the file holds what the end says."""
    laptop = Laptop(tmp_path, cells.issuer)
    login = laptop.log_in(**STALE)
    cells.run(tmp_path, where, fault, job=laptop.job(force=True))
    ran = laptop.run("--min-valid", "0")
    assert ran.code == 0, ran.err
    assert ran.out.strip() == laptop.access_token
    assert cells.issuer.alive(laptop.access_token)
    assert cells.decisions(login.login_id, sent=len(_SENT[end])) == _SENT[end]
    held = laptop.document()["tokens"]["refresh_token"]
    assert (held == login.refresh_token) is (end != "new")
    assert ("in doubt" in ran.err) is laptop.attempt.exists() is (end in ("unsent", "doubt"))
    if end in ("old", "new"):
        assert cells.issuer.exchange(held)[0] == 200


def test_the_tables_name_every_point() -> None:
    """Before and after each, in the order of an exchange."""
    for table, points in ((BROKER, BROKER_POINTS), (LOCAL, LOCAL_POINTS)):
        assert set(table) == {f"{when} {point}" for point in points for when in ("before", "after")}
