"""Status and exit codes of machine credentials, from a real daemon with the strict sandbox as its issuer."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from broker.domain.apikey import new_key
from tests.contract.table import BROKER, HTTP, case, cases_of, check, check_answer
from tests.support.command import Ran
from tests.support.daemon import Answer, Daemon, ask, running_daemon
from tests.support.issuer import Issuer
from tests.support.wait import until_sync

UNKNOWN = new_key("cbr", bytes).text.reveal()
"""Well-formed, and nobody's."""
TEAM = {"accounts": ["work"], "scopes": ["token"], "machine": True}


@dataclass
class Stage:
    """A daemon with a client for each need, each with a machine credential."""

    daemon: Daemon
    issuer: Issuer
    credentials: dict[str, str]

    def post(self, path: str, fields: dict[str, Any]) -> Answer:
        """Send fields as JSON."""
        headers = {"Content-Type": "application/json"}
        return ask(self.daemon.url, path, method="POST", body=json.dumps(fields).encode(), headers=headers)

    def refresh(self, who: str, **fields: Any) -> Answer:
        """Ask for a token as the Codex CLI does, with a client's credential or the text given."""
        credential = self.credentials.get(who, who)
        known = {"grant_type": "refresh_token", "refresh_token": credential, "client_id": "app_x"}
        return self.post("/oauth/token", known | fields)


@pytest.fixture(scope="module")
def stage(tmp_path_factory, shared_issuer):
    public = {"CODEX_BROKER_SERVER_PUBLIC_URL": "https://broker.example"}
    with running_daemon(tmp_path_factory.mktemp("machines"), shared_issuer.url, **public) as daemon:
        daemon.hold(shared_issuer.mint(email="work@x.example"), "work")
        daemon.hold(shared_issuer.mint(email="off@x.example"), "off")
        daemon.call("account_disable", name="off")
        wishes: dict[str, dict[str, Any]] = dict.fromkeys(("good", "revoked", "own", "ungranted"), TEAM)
        wishes |= {"brief": {**TEAM, "expires_s": 1}, "off": {**TEAM, "accounts": ["off"]}}
        credentials = {
            name: daemon.call("client_add", name=name, **wish)["refresh_token"]
            for name, wish in wishes.items()
        }
        [held] = daemon.call("client_show", name="revoked")["machines"]
        daemon.call("client_revoke", name="revoked", machine=held["machine"])
        daemon.call("client_ungrant", name="ungranted", accounts=["work"])
        stage = Stage(daemon, shared_issuer, credentials)
        until_sync(lambda: stage.refresh("brief").code == "refresh_token_expired")
        yield stage


@case(HTTP, 200, "a machine's token, with its very credential", says='"refresh_token":"cbr_')
def _(stage: Stage) -> Answer:
    answer = stage.refresh("good")
    assert answer.document["refresh_token"] == stage.credentials["good"]
    assert stage.issuer.alive(answer.document["access_token"])
    seen = stage.daemon.call("client_show", name="good")["machines"]
    until_sync(lambda: stage.daemon.call("client_show", name="good")["machines"][0]["last_used_at"])
    assert [one["state"] for one in seen] == ["live"]
    return answer


@case(HTTP, 200, "a machine ends its own credential", says="{}")
def _(stage: Stage) -> Answer:
    ended = stage.post("/oauth/revoke", {"token": stage.credentials["own"]})
    assert stage.refresh("own").code == "refresh_token_invalidated"
    # Its client, and whatever else it has, goes on.
    assert stage.daemon.call("client_show", name="own")["state"] == "live"
    return ended


@case(HTTP, 200, "nothing of the issuer's is revoked", says="{}")
def _(stage: Stage) -> Answer:
    login = stage.issuer.mint(email="else@x.example")
    answer = stage.post("/oauth/revoke", {"token": login.refresh_token})
    assert stage.issuer.alive(login.access_token)
    return answer


@case(HTTP, 200, "where the OAuth routes are", says='"token_endpoint":"https://broker.example/oauth/token"')
def _(stage: Stage) -> Answer:
    return stage.daemon.get("/.well-known/oauth-authorization-server")


def _refused() -> None:
    for status, cause, who, fields in [
        (400, "invalid_request: no grant", "good", {"grant_type": ""}),
        (400, "unsupported_grant_type: a password", "good", {"grant_type": "password"}),
        (400, "invalid_request: somebody's refresh token", "rt_somebody_elses", {}),
        (400, "invalid_grant: half a credential", "cbr_half", {}),
        (401, "refresh_token_invalidated: an unknown machine", UNKNOWN, {}),
        (401, "refresh_token_invalidated: a revoked machine", "revoked", {}),
        (401, "refresh_token_invalidated: an account that is not granted any more", "ungranted", {}),
        (401, "refresh_token_expired: with its client", "brief", {}),
        (403, "account_disabled: a machine's account", "off", {}),
    ]:

        @case(HTTP, status, cause)
        def _(stage: Stage, who: str = who, fields: dict[str, Any] = fields) -> Answer:
            answer = stage.refresh(who, **fields)
            assert answer.document["error"] == answer.document["code"]
            return answer


_refused()


@case(BROKER, 0, "client add --machine", says="cbr_")
def _(stage: Stage) -> Ran:
    return stage.daemon.admin("client", "add", "one", "--account", "work", "--machine")


@case(BROKER, 0, "client rotate --machine", says="cbr_")
def _(stage: Stage) -> Ran:
    before = stage.credentials["good"]
    stage.daemon.call("client_add", name="two", **TEAM)
    ran = stage.daemon.admin("client", "rotate", "two", "--machine")
    assert before not in ran.out
    return ran


@case(BROKER, 2, "client add --machine: several accounts and no default", hint="--default")
def _(stage: Stage) -> Ran:
    return stage.daemon.admin("client", "add", "x", "--account", "work", "--account", "off", "--machine")


@case(BROKER, 4, "client revoke --machine: no such credential", hint="client show good")
def _(stage: Stage) -> Ran:
    return stage.daemon.admin("client", "revoke", "good", "--machine", "999")


@pytest.mark.parametrize("row", cases_of(__name__), ids=str)
def test_the_code_of_a_machine(row, stage):
    """The real daemon answers with the row's code, in OAuth's words where OAuth is spoken."""
    (check_answer if row.who == HTTP else check)(row, row.act(stage))
