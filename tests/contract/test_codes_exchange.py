"""Status and exit codes of API keys exchanged for machine credentials (RFC 8693), from a real daemon."""

import json
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from broker.domain.apikey import new_key
from broker.domain.machine import MOST_LIVE
from fetchtoken.domain.secret import Secret
from fetchtoken.oauth.token_exchange import exchange_body
from fetchtoken.sources.machine import ask_machine, end_machine, machine_name
from tests.contract.table import BROKER, HTTP, case, cases_of, check, check_answer
from tests.support.command import Ran
from tests.support.daemon import Answer, Daemon, ask, running_daemon
from tests.support.peers import soon
from tests.support.tokens import settings_of

UNKNOWN = new_key("cbk", bytes).text.reveal()
"""Well-formed, and nobody's."""
JSON = {"Content-Type": "application/json"}
CLIENTS: dict[str, dict[str, Any]] = {
    "good": {"accounts": ["work"], "scopes": ["token"]},
    "full": {"accounts": ["work"], "scopes": ["token"]},
    "rotated": {"accounts": ["work"], "scopes": ["token"]},
    "both": {"accounts": ["work", "home"], "scopes": ["token"]},
    "clerk": {"accounts": ["work"], "scopes": ["quota"]},
}


@dataclass
class Stage:
    """A daemon with a client for each need."""

    daemon: Daemon
    keys: dict[str, str] = field(default_factory=dict)

    def exchange(self, who: str, account: str = "", machine: str = "box", **fields: str) -> Answer:
        """Exchange a client's key, or the text given."""
        key = Secret(self.keys.get(who, who))
        sent = json.loads(exchange_body(key, account=account, machine=machine)) | fields
        return self.post("/oauth/token", sent)

    def refresh(self, credential: str) -> Answer:
        """Ask for a token as the Codex CLI does."""
        return self.post("/oauth/token", {"grant_type": "refresh_token", "refresh_token": credential})

    def post(self, path: str, fields: dict[str, Any]) -> Answer:
        return ask(self.daemon.url, path, method="POST", body=json.dumps(fields).encode(), headers=JSON)

    def states(self, who: str) -> list[tuple[str, str]]:
        """Return name and state of a client's credentials."""
        held = self.daemon.call("client_show", name=who)["machines"]
        return [(one["name"], one["state"]) for one in held]


@pytest.fixture(scope="module")
def stage(tmp_path_factory, shared_issuer):
    with running_daemon(tmp_path_factory.mktemp("exchange"), shared_issuer.url) as daemon:
        for name in ("work", "home"):
            daemon.hold(shared_issuer.mint(email=f"{name}@x.example"), name)
        stage = Stage(daemon)
        for name, wish in CLIENTS.items():
            stage.keys[name] = daemon.call("client_add", name=name, **wish)["api_key"]
        yield stage


@case(HTTP, 200, "an API key exchanged for a machine's credential", says='"token_type":"N_A"')
def _(stage: Stage) -> Answer:
    first = stage.exchange("good").document
    answer = stage.exchange("good", "work")
    assert stage.refresh(answer.document["access_token"]).status == 200
    assert stage.refresh(first["access_token"]).code == "refresh_token_invalidated"
    assert stage.states("good") == [("box", "revoked"), ("box", "live")]
    trail = stage.daemon.admin("audit", "list", "--client", "good", "--json")
    told = [(one["action"], one["detail"]) for one in json.loads(trail.out)]
    former, number = first["machine"], answer.document["machine"]
    assert ("machine.revoked", f"machine {former} box, replaced by {number}") in told
    assert ("machine.added", f"machine {number} box, for an API key") in told
    return answer


@case(HTTP, 403, "too_many_machines: one more than a client may have")
def _(stage: Stage) -> Answer:
    for number in range(MOST_LIVE):
        assert stage.exchange("full", machine=f"m{number}").status == 200
    assert stage.exchange("full", machine="m7").status == 200, "one that it has may come again"
    return stage.exchange("full", machine="another")


def _refused() -> None:
    for status, cause, who, fields, word in [
        (400, "invalid_request: another type of subject", "good", {"subject_token_type": "x"}, ""),
        (400, "invalid_target: a resource, not an audience", "good", {"resource": "https://x.example"}, ""),
        (400, "account_required: an exchange for nobody knows which account", "both", {}, "invalid_target"),
        (401, "invalid_token: an unknown key to be exchanged", UNKNOWN, {}, "invalid_request"),
        (403, "insufficient_scope: a key that may not read tokens", "clerk", {}, "invalid_request"),
        (
            403,
            "not_granted: an exchange for another's account",
            "good",
            {"audience": "home"},
            "invalid_target",
        ),
    ]:

        @case(HTTP, status, cause)
        def _(stage: Stage, who: str = who, fields: dict[str, Any] = fields, word: str = word) -> Answer:
            answer = stage.exchange(who, **fields)
            assert answer.document["error"] == (word or answer.code)
            return answer


_refused()


@case(BROKER, 0, "client rotate: ends what the former key was exchanged for", says="cbk_", notes=5)
def _(stage: Stage) -> Ran:
    held = stage.exchange("rotated").document["access_token"]
    ran = stage.daemon.admin("client", "rotate", "rotated")
    assert "machine credentials that the old key was exchanged for ended with it: " in ran.err
    assert stage.refresh(held).code == "refresh_token_invalidated"
    assert stage.exchange("rotated").code == "invalid_token"
    assert stage.exchange(ran.out.strip()).status == 200
    return ran


def test_no_key_and_no_credential_is_in_what_the_daemon_wrote(stage):
    """Not in its log, its trail or its database."""
    answer = stage.exchange("both", "home", "quiet")
    assert answer.status == 200
    trail = stage.daemon.admin("audit", "export").out
    written = stage.daemon.log + stage.daemon.out + trail
    stored = b"".join(path.read_bytes() for path in stage.daemon.home.glob("broker.db*"))
    assert "quiet" in trail
    for secret in (stage.keys["both"], answer.document["access_token"]):
        assert secret not in written
        assert secret.encode() not in stored


def test_the_command_gets_one_and_ends_it(stage, tmp_path):
    """What the command asks for is what the broker gives, with both of them real."""
    settings = settings_of(
        tmp_path, CODEX_REMOTE_URL=stage.daemon.url, CODEX_REMOTE_API_KEY=stage.keys["both"]
    )
    name = machine_name("laptop.example", str(tmp_path))
    found = ask_machine(settings, account="home", machine=name, deadline_s=soon())
    assert (found.token.account, found.issuer) == ("home", stage.daemon.url)
    assert found.expires_at - time.time() == pytest.approx(30 * 86_400, abs=600)
    credential = found.credential.reveal()
    assert stage.refresh(credential).document["access_token"] == found.token.access_token.reveal()
    end_machine(settings, found.credential, issuer=found.issuer, deadline_s=soon())
    end_machine(settings, found.credential, issuer="", deadline_s=soon())
    assert stage.refresh(credential).code == "refresh_token_invalidated"
    assert (name, "revoked") in stage.states("both")


@pytest.mark.parametrize("row", cases_of(__name__), ids=str)
def test_the_code_of_an_exchange(row, stage):
    """The real daemon answers with the row's code, in OAuth's words as well."""
    (check_answer if row.who == HTTP else check)(row, row.act(stage))
