"""Status and exit codes of device logins, from a real daemon with the strict sandbox as its issuer."""

from dataclasses import dataclass
from itertools import count

import pytest

from tests.contract.table import BROKER, HTTP, Case, case, cases_of, check, check_answer
from tests.support.approving import Approver, Asker, daemon_with_address, ticket_in
from tests.support.command import Ran
from tests.support.daemon import Answer, Daemon, ask
from tests.support.issuer import Issuer
from tests.support.programs import Machine
from tests.support.visitor import Page

_numbers = count(1)


@dataclass
class Stage:
    """A daemon that knows its address, with the accounts ``work`` and ``home``."""

    daemon: Daemon
    issuer: Issuer
    asker: Asker
    person: Approver

    def kept(self) -> dict[str, str]:
        """Return what is kept of a login, from an address of its own: each has ten."""
        return self.asker.kept(f"127.7.0.{next(_numbers)}")

    def invited(self, *accounts: str) -> str:
        """Return the code of an invite for a new client."""
        wishes = {"accounts": list(accounts or ["work"]), "scopes": ["token"], "expires_s": 3600}
        return str(self.daemon.call("invite_add", name=f"machine-{next(_numbers)}", **wishes)["code"])

    def approved(self) -> Answer:
        """Return what Codex is told whose login was approved."""
        kept = self.kept()
        assert self.person.approve(kept["user_code"], self.invited()).status == 200
        return self.asker.poll(kept)


@pytest.fixture(scope="module")
def stage(tmp_path_factory, shared_issuer):
    with daemon_with_address(tmp_path_factory.mktemp("devices"), shared_issuer.url) as daemon:
        for name in ("work", "home"):
            daemon.hold(shared_issuer.mint(email=f"{name}@x.example"), name)
        daemon.add_client("there", "work", "home")
        daemon.add_client("narrow", "home")
        daemon.add_client("gone", "work")
        daemon.call("client_revoke", name="gone")
        yield Stage(daemon, shared_issuer, Asker(daemon.url), Approver(daemon.url))


@case(HTTP, 200, "a user code for Codex", says='"interval":"5"')
def _(stage: Stage) -> Answer:
    return stage.asker.begin("127.7.1.1")


@case(HTTP, 200, "an approved device login", says='"authorization_code":')
def _(stage: Stage) -> Answer:
    return stage.approved()


@case(HTTP, 200, "a device's code becomes a credential", says='"refresh_token":"cbr_')
def _(stage: Stage) -> Answer:
    answer = stage.asker.redeem(stage.approved())
    assert stage.issuer.alive(answer.document["access_token"])
    again = stage.asker.refresh(answer).document
    assert again | {"expires_in": answer.document["expires_in"]} == answer.document
    return answer


@case(HTTP, 200, "the page for device logins", says="Invite code")
def _(stage: Stage) -> Answer:
    return stage.daemon.get("/codex/device")


@case(HTTP, 200, "a device login is denied on the page", says="Denied")
def _(stage: Stage) -> Answer:
    page = stage.person.look(stage.kept()["user_code"], stage.invited())
    return _answer(stage.person.decide(ticket_in(page), decision="deny"))


@case(HTTP, 400, "invalid_grant: a device's code that was used", says="log in again")
def _(stage: Stage) -> Answer:
    told = stage.approved()
    first = stage.asker.redeem(told)
    answer = stage.asker.redeem(told)
    assert stage.asker.refresh(first).code == "refresh_token_invalidated"
    return answer


@case(HTTP, 400, "the page: a form of another shape")
def _(stage: Stage) -> Answer:
    return _answer(stage.person.send({"user_code": "AAAA-AAAA", "account": "work"}))


@case(HTTP, 401, "invalid_token: join with a code for devices", says="device logins")
def _(stage: Stage) -> Answer:
    code = stage.daemon.call("invite_device", name="there", accounts=[], expires_s=60)["code"]
    return stage.asker.post("/join", {"code": code, "nonce": "n" * 64})


@case(HTTP, 403, "authorization_pending: nobody has approved it yet")
def _(stage: Stage) -> Answer:
    return stage.asker.poll(stage.kept())


@case(HTTP, 403, "slow_down: asked too often")
def _(stage: Stage) -> Answer:
    kept = stage.kept()
    answers = (stage.asker.poll(kept) for _ in range(200))
    return next(answer for answer in answers if answer.code != "authorization_pending")


@case(HTTP, 403, "the page: a form from elsewhere", says="came from elsewhere")
def _(stage: Stage) -> Answer:
    headers = {"Origin": "https://evil.example", "Sec_Fetch_Site": "cross-site"}
    return _answer(stage.person.look(stage.kept()["user_code"], stage.invited(), **headers))


@case(HTTP, 403, "the page: a wrong invite code", says="unknown, used, expired or revoked")
def _(stage: Stage) -> Answer:
    return _answer(stage.person.look(stage.kept()["user_code"], "cbi_nobody"))


@case(HTTP, 403, "the page: an account of another invite", says="does not let a machine use that account")
def _(stage: Stage) -> Answer:
    kept = stage.kept()
    page = stage.person.look(kept["user_code"], stage.invited("work"))
    answer = _answer(stage.person.decide(ticket_in(page), account="home"))
    assert stage.asker.poll(kept).code == "authorization_pending"
    return answer


@case(HTTP, 410, "access_denied: a device login")
def _(stage: Stage) -> Answer:
    kept = stage.kept()
    stage.person.decide(ticket_in(stage.person.look(kept["user_code"], stage.invited())), decision="deny")
    return stage.asker.poll(kept)


@case(HTTP, 410, "expired_token: an unknown device login")
def _(stage: Stage) -> Answer:
    return stage.asker.poll({"device_auth_id": "x" * 43, "user_code": "AAAA-AAAA"})


@case(HTTP, 429, "rate_limited: too many device logins wait", headers=("retry-after",))
def _(stage: Stage) -> Answer:
    return [stage.asker.begin("127.7.1.2") for _ in range(11)][-1]


@case(HTTP, 429, "the page: too many wrong codes", says="too many attempts", headers=("retry-after",))
def _(stage: Stage) -> Answer:
    headers = {
        "Origin": stage.person.url,
        "Content-Type": "application/x-www-form-urlencoded",
    }
    body = b"user_code=AAAA-AAAA&invite=cbi_x"
    how = {"method": "POST", "body": body, "headers": headers, "source": "127.7.1.3"}
    answers = (ask(stage.daemon.url, "/codex/device", **how) for _ in range(100))
    return next(answer for answer in answers if answer.status != 403)


@case(BROKER, 0, "invite laptop --device", says="cbi_", hint="")
def _(stage: Stage) -> Ran:
    ran = stage.daemon.admin("invite", "there", "--device", "--account", "work", "--expires", "15m")
    kept = stage.kept()
    page = stage.person.look(kept["user_code"], ran.out.strip())
    assert 'value="home"' not in page.text
    assert stage.person.decide(ticket_in(page)).status == 200
    assert stage.asker.redeem(stage.asker.poll(kept)).status == 200
    [machine] = stage.daemon.call("client_show", name="there")["machines"]
    assert (machine["name"], machine["account"], machine["state"]) == ("box", "work", "live")
    assert machine["expires_at"] is not None
    return ran


@case(BROKER, 0, "invite --device --json", says='"command": "codex login --device-auth')
def _(stage: Stage) -> Ran:
    return stage.daemon.admin("invite", "there", "--device", "--json")


@case(BROKER, 0, "client list: a code for a device", says="device invited")
def _(stage: Stage) -> Ran:
    stage.daemon.call("invite_device", name="there", accounts=[], expires_s=60)
    return stage.daemon.admin("client", "list")


@case(
    BROKER, 2, "invite --device: an account that its client has not", says="work", hint="client grant narrow"
)
def _(stage: Stage) -> Ran:
    return stage.daemon.admin("invite", "narrow", "--device", "--account", "work")


@case(BROKER, 2, "invite --device: a client that is revoked", says="revoked", hint="client list")
def _(stage: Stage) -> Ran:
    return stage.daemon.admin("invite", "gone", "--device")


@case(BROKER, 2, "invite --device: no address for logins", says="server.public_url", hint="broker.toml")
def _(stage: Stage) -> Ran:
    root = stage.daemon.machine.home / "unknown"
    root.mkdir()
    own = Machine(root)
    assert own.broker("init").code == 0
    return own.broker("invite", "there", "--device")


@case(BROKER, 4, "invite nobody --device", says="no client named", hint="client list")
def _(stage: Stage) -> Ran:
    return stage.daemon.admin("invite", "nobody", "--device")


def _answer(page: Page) -> Answer:
    return Answer(page.status, page.headers, page.text.encode())


def _check_page(row: Case, answer: Answer) -> None:
    assert answer.status == row.code, answer
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert row.says in answer.body.decode()
    assert [name for name in row.headers if name not in answer.headers] == []


@pytest.mark.parametrize("row", cases_of(__name__), ids=str)
def test_the_code_of_a_device_login(row, stage):
    """The real daemon answers with the row's code; what is for people is a page, whatever its status."""
    if row.who == BROKER:
        check(row, row.act(stage))
    else:
        (_check_page if "the page" in row.cause else check_answer)(row, row.act(stage))
