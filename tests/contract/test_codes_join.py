"""Exit and status codes of invites: a real broker, with https of its own, and machines that join it."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.contract.table import BROKER, FETCHTOKEN, HTTP, case, cases_of, check, check_answer
from tests.support.authority import write_pair
from tests.support.command import Ran
from tests.support.daemon import Answer, Daemon, ask, running_daemon
from tests.support.peers import Peer, answering, closed_port
from tests.support.programs import FETCHTOKEN as COMMAND
from tests.support.programs import Machine
from tests.support.tokens import http

NONCE = "n" * 64
TEAM = {"accounts": ["work"], "scopes": ["token"], "expires_s": 3600}


class Stage(Machine):
    """A new machine, and a broker whose https certificate is its own.

    Attributes:
        daemon: serves https for 127.0.0.1; holds account work.
        plain: one that serves http.
    """

    def __init__(self, root: Path, daemon: Daemon, plain: Daemon) -> None:
        super().__init__(root)
        self.daemon, self.plain = daemon, plain
        self.name = root.name.replace("_", "-")[:40]

    def invited(self, daemon: Daemon | None = None, **changes: Any) -> dict[str, Any]:
        """Have a code made for this machine."""
        wishes = TEAM | {"name": self.name} | changes
        return dict((daemon or self.plain).call("invite_add", **wishes))

    def join(self, made: dict[str, Any], *words: str, url: str = "", **more: str) -> Ran:
        """Join with a code."""
        return self.fetch("join", url or made["url"], "--code", made["code"], *words, **more)

    def post(self, body: bytes, **headers: str) -> Answer:
        """Send a body to ``/join`` of the plain broker."""
        sent = {"Content-Type": "application/json", **headers}
        return ask(self.plain.url, "/join", method="POST", body=body, headers=sent)


@pytest.fixture(scope="module")
def plain(tmp_path_factory, shared_issuer):
    with running_daemon(tmp_path_factory.mktemp("plain"), shared_issuer.url) as daemon:
        daemon.hold(shared_issuer.mint(email="work@x.example"), "work")
        yield daemon


@pytest.fixture(scope="module")
def secure(tmp_path_factory, shared_issuer):
    root = tmp_path_factory.mktemp("secure")
    cert, key = write_pair(root / "tls", trustme.CA(), "127.0.0.1")
    tls = {"CODEX_BROKER_TLS_CERT": str(cert), "CODEX_BROKER_TLS_KEY": str(key)}
    with running_daemon(root, shared_issuer.url, **tls) as daemon:
        daemon.hold(shared_issuer.mint(email="secure@x.example"), "work")
        yield daemon


@pytest.fixture
def stage(tmp_path, secure, plain):
    return Stage(tmp_path, secure, plain)


# Inviting.


@case(BROKER, 0, "invite laptop --account work", says="codex-fetchtoken join http", hint="--code -")
def _(stage: Stage) -> Ran:
    return stage.plain.admin("invite", stage.name, "--account", "work", "--expires", "15m")


@case(BROKER, 0, "invite: a certificate of its own is pinned", says="--ca-sha256 ")
def _(stage: Stage) -> Ran:
    return stage.daemon.admin("invite", stage.name, "--account", "work")


@case(BROKER, 0, "invite --json", says='"command": "codex-fetchtoken join')
def _(stage: Stage) -> Ran:
    ran = stage.plain.admin("invite", stage.name, "--account", "work", "--json")
    assert json.loads(ran.out).keys() >= {"client", "code", "url", "ca_sha256", "accounts", "expires_at"}
    return ran


@case(BROKER, 0, "client list: a code that waits", says="invited")
def _(stage: Stage) -> Ran:
    stage.invited()
    return stage.plain.admin("client", "list")


@case(BROKER, 0, "client revoke: a code that waits", says="revoked")
def _(stage: Stage) -> Ran:
    made = stage.invited()
    ran = stage.plain.admin("client", "revoke", stage.name)
    assert stage.join(made).code == 6
    return ran


@case(BROKER, 2, "invite: nobody knows where to join", says="server.public_url", hint="broker.toml")
def _(stage: Stage) -> Ran:
    stage.write("own/there", "")
    own = Machine(stage.home / "own")
    assert own.broker("init").code == 0
    return own.broker("invite", "laptop", "--account", "work")


@case(BROKER, 2, "invite: a client of that name", says="already a client", hint="--device")
def _(stage: Stage) -> Ran:
    assert stage.join(stage.invited()).code == 0
    return stage.plain.admin("invite", stage.name, "--account", "work")


@case(BROKER, 2, "client add: a code waits for that name", says="invite", hint="client revoke")
def _(stage: Stage) -> Ran:
    stage.invited()
    return stage.plain.admin("client", "add", stage.name, "--account", "work")


@case(BROKER, 2, "usage: invite --expires tomorrow", says="no length of time")
def _(stage: Stage) -> Ran:
    return stage.plain.admin("invite", stage.name, "--account", "work", "--expires", "tomorrow")


@case(BROKER, 4, "invite laptop --account nobody", says="no account named")
def _(stage: Stage) -> Ran:
    return stage.plain.admin("invite", stage.name, "--account", "nobody")


# Joining.


@case(FETCHTOKEN, 0, "join: then a token with no further setting", says="eyJ")
def _(stage: Stage) -> Ran:
    assert stage.join(stage.invited()).code == 0
    return stage.fetch()


@case(FETCHTOKEN, 0, "join: a pinned certificate, the line as it is printed", says="eyJ")
def _(stage: Stage) -> Ran:
    printed = stage.daemon.admin("invite", stage.name, "--account", "work").out
    name, *words = shlex.split(printed)
    assert name == COMMAND
    ran = stage.fetch(*words)
    assert ran.code == 0, ran
    assert "CODEX_REMOTE_CA_FILE" in ran.err
    return stage.fetch("--no-cache")


@case(FETCHTOKEN, 0, "join --code -", hint="joined", notes=5)
def _(stage: Stage) -> Ran:
    made = stage.invited()
    return stage.run(COMMAND, "join", made["url"], "--code", "-", stdin=made["code"] + "\n")


@case(FETCHTOKEN, 0, "join --account work", hint="CODEX_ACCOUNT=work", notes=6)
def _(stage: Stage) -> Ran:
    return stage.join(stage.invited(), "--account", "work")


@case(FETCHTOKEN, 2, "join: no code and no terminal", says="no invite code", hint="--code -")
def _(stage: Stage) -> Ran:
    return stage.fetch("join", stage.plain.url)


@case(FETCHTOKEN, 2, "join: a mistyped code", says="mistyped", hint="cbi_")
def _(stage: Stage) -> Ran:
    return stage.fetch("join", stage.plain.url, "--code", stage.invited()["code"][:-1])


@case(FETCHTOKEN, 2, "join: a URL that is none", says="URL", hint="https://")
def _(stage: Stage) -> Ran:
    return stage.join(stage.invited(), url="broker.example")


@case(FETCHTOKEN, 2, "join: --ca-sha256 that is none", says="--ca-sha256", hint="64 hex digits")
def _(stage: Stage) -> Ran:
    return stage.join(stage.invited(stage.daemon), "--ca-sha256", "abc")


@case(FETCHTOKEN, 2, "join: --ca-sha256 with http", says="--ca-sha256", hint="leave it out")
def _(stage: Stage) -> Ran:
    return stage.join(stage.invited(), "--ca-sha256", "a" * 64)


@case(FETCHTOKEN, 5, "join: an unknown authority", says="certificate", hint="--ca-sha256")
def _(stage: Stage) -> Ran:
    made = stage.invited(stage.daemon)
    ran = stage.join(made)
    assert stage.join(made, "--ca-sha256", made["ca_sha256"]).code == 0
    return ran


@case(FETCHTOKEN, 5, "join: a pinned certificate of another host", says="certificate")
def _(stage: Stage) -> Ran:
    made = stage.invited(stage.daemon)
    url = made["url"].replace("127.0.0.1", "localhost")
    return stage.join(made, "--ca-sha256", made["ca_sha256"], url=url)


@case(FETCHTOKEN, 5, "join: broker down", says="127.0.0.1", hint="check the URL")
def _(stage: Stage) -> Ran:
    with closed_port() as port:
        return stage.join(stage.invited(), url=f"http://127.0.0.1:{port}")


@case(FETCHTOKEN, 6, "join: an unknown code", says="refused the invite code", hint="a new one")
def _(stage: Stage) -> Ran:
    return stage.join(stage.invited(stage.daemon), url=stage.plain.url)


@case(FETCHTOKEN, 6, "join: a code that was used", says="refused the invite code", hint="a new one")
def _(stage: Stage) -> Ran:
    made = stage.invited()
    assert stage.join(made).code == 0
    return stage.join(made)


@case(FETCHTOKEN, 6, "join: an expired code", says="refused the invite code", hint="a new one")
def _(stage: Stage) -> Ran:
    return stage.join(stage.invited(expires_s=0))


@case(FETCHTOKEN, 7, "join: a page", says="without an API key")
def _(stage: Stage) -> Ran:
    with Peer(answering(http(200, b"<html>"))) as peer:
        return stage.join(stage.invited(), url=f"http://127.0.0.1:{peer.port}")


@case(FETCHTOKEN, 8, "join: plain http to another host", says="plain http", hint="https")
def _(stage: Stage) -> Ran:
    return stage.join(stage.invited(), url="http://broker.example")


@case(FETCHTOKEN, 8, "join: another certificate than the pinned one", says="nothing was sent")
def _(stage: Stage) -> Ran:
    made = stage.invited(stage.daemon)
    ran = stage.join(made, "--ca-sha256", "a" * 64)
    assert stage.join(made, "--ca-sha256", made["ca_sha256"]).code == 0, "the code was not used up"
    return ran


# Over HTTP.


def body(code: str, **more: str) -> bytes:
    return json.dumps({"code": code, "nonce": NONCE, **more}).encode()


@case(HTTP, 200, "join: a code becomes a client", says='"api_key":"cbk_')
def _(stage: Stage) -> Answer:
    sent = body(stage.invited()["code"], name="box")
    first, again = stage.post(sent), stage.post(sent)
    assert first.document == again.document
    assert stage.plain.get("/codex", first.document["api_key"]).status == 200
    return first


@case(HTTP, 400, "invalid_request: join without a nonce")
def _(stage: Stage) -> Answer:
    return stage.post(json.dumps({"code": stage.invited()["code"]}).encode())


@case(HTTP, 401, "invalid_token: a code that was used", headers=("www-authenticate",))
def _(stage: Stage) -> Answer:
    code = stage.invited()["code"]
    assert stage.post(body(code)).status == 200
    return stage.post(json.dumps({"code": code, "nonce": "o" * 64}).encode())


@case(HTTP, 413, "content_too_large: join with a large body")
def _(stage: Stage) -> Answer:
    return stage.post(b" " * 5000)


@case(HTTP, 429, "rate_limited: attempts to join of one address", headers=("retry-after",))
def _(stage: Stage) -> Answer:
    for _ in range(60):
        answer = ask(
            stage.plain.url,
            "/join",
            method="POST",
            body=b"{}",
            source="127.0.0.9",
            headers={"Content-Type": "application/json"},
        )
        if answer.status != 400:
            break
    return answer


@pytest.mark.parametrize("row", cases_of(__name__), ids=str)
def test_the_programs_end_as_the_contract_says(row, stage):
    """Exit code or status, one line of error, one hint, nothing secret on the way."""
    result = row.act(stage)
    if row.who == HTTP:
        check_answer(row, result)
    else:
        check(row, result)
