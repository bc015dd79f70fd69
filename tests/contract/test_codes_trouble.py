"""Status codes of the HTTP API while the daemon's own disk, store or trail is in trouble, and after."""

import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass

import pytest

from tests.contract.table import HTTP, case, cases_of, check_answer
from tests.support.daemon import Answer, Daemon, running_daemon
from tests.support.issuer import Login
from tests.support.logins import auth_document
from tests.support.peers import closed_port
from tests.support.tokens import jwt
from tests.support.wait import until_sync


@dataclass
class Api:
    """A daemon whose issuer is down, which is none of its own trouble."""

    daemon: Daemon
    key: str

    def get(self, path: str) -> Answer:
        return self.daemon.get(path, self.key)

    def until_well(self) -> None:
        until_sync(lambda: self.daemon.get("/readyz").status == 200)

    @contextmanager
    def without_the_trail(self):
        """Take the audit table away."""
        self._rename("audit", "gone")
        try:
            yield
        finally:
            self._rename("gone", "audit")

    def _rename(self, old: str, new: str) -> None:
        with closing(sqlite3.connect(self.daemon.home / "broker.db")) as store:
            store.execute(f"ALTER TABLE {old} RENAME TO {new}")

    @contextmanager
    def without_a_journal(self):
        """Take the journal directory away."""
        journal = self.daemon.home / "journal"
        away = journal.rename(self.daemon.home / "away")
        try:
            yield
        finally:
            away.rename(journal)

    def hold(self, name: str, **life: float) -> None:
        """Take in a login that this daemon's issuer, which is down, cannot renew."""
        document = auth_document(jwt(account_id=name, **life), refresh=f"rt_{name}", account_id=name)
        self.daemon.hold(Login("", document), name)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with (
        closed_port() as port,
        running_daemon(tmp_path_factory.mktemp("trouble"), f"http://127.0.0.1:{port}") as daemon,
    ):
        api = Api(daemon, "")
        api.hold("fresh")
        api.key = daemon.add_client("all", "fresh")
        yield api


@pytest.fixture
def api(running):
    running.until_well()
    return running


@case(HTTP, 200, "ready, though the issuer is down", says='{"status":"ok"}')
def _(api: Api) -> Answer:
    return api.get("/readyz")


@case(HTTP, 200, "a token, as soon as the trail can be written again", headers=("etag",))
def _(api: Api) -> Answer:
    with api.without_the_trail():
        assert api.get("/codex/fresh").status == 503
    api.until_well()
    return api.get("/codex/fresh")


@case(HTTP, 503, "unavailable: no audit record", headers=("retry-after",))
def _(api: Api) -> Answer:
    with api.without_the_trail():
        return api.get("/codex/fresh")


@case(HTTP, 503, "unavailable: not ready, no audit record", headers=("retry-after",))
def _(api: Api) -> Answer:
    with api.without_the_trail():
        api.get("/codex/fresh")
        return api.get("/readyz")


@case(HTTP, 503, "unavailable: expired, no journal", headers=("retry-after",))
def _(api: Api) -> Answer:
    with api.without_a_journal():
        api.hold("late", life_s=1000, age_s=900)
        api.daemon.call("client_grant", name="all", accounts=["late"])
        return api.get("/codex/late")


@case(HTTP, 503, "unavailable: not ready, no journal", headers=("retry-after",))
def _(api: Api) -> Answer:
    with api.without_a_journal():
        api.hold("later", life_s=1000, age_s=900)
        until_sync(lambda: api.get("/readyz").status == 503)
        return api.get("/readyz")


@case(HTTP, 503, "unavailable: expired, issuer down", headers=("retry-after",))
def _(api: Api) -> Answer:
    api.hold("last", life_s=1000, age_s=900)
    api.daemon.call("client_grant", name="all", accounts=["last"])
    return api.get("/codex/last")


@pytest.mark.parametrize("row", cases_of(__name__), ids=str)
def test_the_api_answers_as_the_contract_says(row, api):
    """Status, problem document with its code, and well again when the cause is gone."""
    check_answer(row, row.act(api))
