"""Status codes of the HTTP API, from a real daemon with the strict sandbox as its issuer."""

import socket
import sqlite3
from dataclasses import dataclass
from http.client import HTTPResponse
from urllib.parse import urlsplit

import pytest

from tests.contract.table import HTTP, case, cases_of, check_answer
from tests.support.daemon import Answer, Daemon, running_daemon
from tests.support.issuer import Issuer
from tests.support.wait import until_sync

UNKNOWN = "cbk_00000000000_" + "0" * 49
EXPIRED = {"life_s": 1000, "age_s": 900}
SHORT = {"life_s": 2000, "age_s": 900}
MOST = 10_000_000
"""Bytes of answers by which the thousand reads of one client must be used up."""


@dataclass
class Api:
    """A daemon with one account for each state, and one client for each need.

    Attributes:
        keys: API key by client.
    """

    daemon: Daemon
    issuer: Issuer
    keys: dict[str, str]

    def get(self, path: str, who: str = "all", **how: object) -> Answer:
        """Ask with a client's key."""
        return self.daemon.get(path, self.keys[who], **how)


ACCOUNTS = {
    "fresh": {},
    "short": SHORT,
    "off": {},
    "refused": EXPIRED,
    "doubtful": EXPIRED,
    "waiting": EXPIRED,
    "damaged": {},
}
FAULTS = {"refused": "refuse-grant", "doubtful": "commit-then-500", "waiting": "429"}


def damage(daemon: Daemon, account: str) -> None:
    """Flip one bit of a sealed access token in the stopped daemon's store."""
    with sqlite3.connect(daemon.home / "broker.db") as store:
        (box,) = store.execute("SELECT access_box FROM accounts WHERE name = ?", (account,)).fetchone()
        spoilt = box[:-1] + bytes([box[-1] ^ 1])
        store.execute("UPDATE accounts SET access_box = ? WHERE name = ?", (spoilt, account))
    store.close()


def is_doubtful_for_good(daemon: Daemon) -> bool:
    """Tell whether the one replay of the expired account in doubt was made, and not answered either."""
    seen = daemon.call("account_show", name="doubtful")
    return seen["replay_used"] and seen["state"] == "in_doubt"


@pytest.fixture(scope="module")
def api(tmp_path_factory, shared_issuer):
    issuer = shared_issuer
    public = {"CODEX_BROKER_SERVER_PUBLIC_URL": "https://broker.example"}
    with running_daemon(tmp_path_factory.mktemp("api"), issuer.url, **public) as daemon:
        logins = {name: issuer.mint(email=f"{name}@x.example", **age) for name, age in ACCOUNTS.items()}
        for name, fault in FAULTS.items():
            issuer.fault(fault, times=-1, login_id=logins[name].login_id)
        for name, login in logins.items():
            daemon.hold(login, name)
        daemon.call("account_disable", name="off")
        every = tuple(ACCOUNTS)
        clients = {
            "all": (every, {}),
            "one": (("fresh",), {}),
            "default": (("short", "fresh"), {"default": "fresh"}),
            "reader": (every, {"scopes": ["quota"]}),
            "brief": (("fresh",), {"expires_s": 1}),
            "revoked": (("fresh",), {}),
            "rotated": (("fresh",), {}),
            "eager": (("fresh",), {}),
        }
        keys = {name: daemon.add_client(name, *has, **more) for name, (has, more) in clients.items()}
        daemon.call("client_revoke", name="revoked")
        daemon.call("client_rotate", name="rotated")
        for name in FAULTS:
            until_sync(lambda name=name: daemon.call("account_show", name=name)["failures"])
        until_sync(lambda: is_doubtful_for_good(daemon))
        assert daemon.stop() == 0
        damage(daemon, "damaged")
        daemon.start("serve")
        yield Api(daemon, issuer, {**keys, "unknown": UNKNOWN, "nonsense": "nonsense", "none": ""})


# Tokens.


def _plain() -> None:
    for cause, path, who, says in [
        ("the token of an account", "/codex/fresh", "all", '"auth_mode":"chatgptAuthTokens"'),
        ("the token of the only grant", "/codex", "one", '"account":"fresh"'),
        ("the token of the default", "/codex", "default", '"account":"fresh"'),
        ("a token that lives for min_valid", "/codex/short?min_valid=400", "all", '"account":"short"'),
        ("who am I", "/v1/whoami", "reader", '"client":"reader"'),
        ("the accounts granted", "/v1/accounts", "all", '"state":"in_doubt"'),
        ("openapi", "/openapi.json", "none", '"openapi":"3'),
        ("health", "/healthz", "none", '{"status":"ok"}'),
    ]:

        @case(HTTP, 200, cause, says=says, headers=("etag",) if path.startswith("/codex") else ())
        def _(api: Api, path: str = path, who: str = who) -> Answer:
            return api.get(path, who)


_plain()


@case(HTTP, 200, "the bare token as text", headers=("etag",))
def _(api: Api) -> Answer:
    bare = api.get("/codex/fresh", headers={"Accept": "text/plain"})
    assert bare.body.decode() == api.get("/codex/fresh").document["access_token"]
    return bare


@case(HTTP, 200, "a second copy, since the tag is another's", headers=("etag",))
def _(api: Api) -> Answer:
    return api.get("/codex/fresh", headers={"If-None-Match": api.get("/codex/short").headers["etag"]})


@case(HTTP, 304, "the tag still stands", headers=("etag",))
def _(api: Api) -> Answer:
    same = api.get("/codex/fresh", headers={"If-None-Match": api.get("/codex/fresh").headers["etag"]})
    assert same.body == b""
    return same


# Requests that are none, and keys.


def _refusals() -> None:
    challenge = ("www-authenticate",)
    for status, cause, path, who, headers in [
        (400, "invalid_request: min_valid is no number", "/codex/fresh?min_valid=soon", "all", ()),
        (400, "invalid_request: min_valid is too large", "/codex/fresh?min_valid=864001", "all", ()),
        (400, "invalid_request: min_valid twice", "/codex/fresh?min_valid=1&min_valid=2", "all", ()),
        (400, "account_required: several grants, no default", "/codex", "all", ()),
        (401, "invalid_token: no key", "/codex/fresh", "none", challenge),
        (401, "invalid_token: unknown key", "/codex/fresh", "unknown", challenge),
        (401, "invalid_token: no key at all", "/codex/fresh", "nonsense", challenge),
        (401, "invalid_token: revoked key", "/codex/fresh", "revoked", challenge),
        (401, "invalid_token: rotated key", "/codex/fresh", "rotated", challenge),
        (401, "invalid_token: whoami without a key", "/v1/whoami", "none", challenge),
        (403, "not_granted: another's account", "/codex/short", "one", ()),
        (403, "not_granted: no such account", "/codex/nobody", "all", ()),
        (403, "account_disabled: disabled", "/codex/off", "all", ()),
        (403, "insufficient_scope: scope quota only", "/codex/fresh", "reader", challenge),
        (404, "not_found: no such path", "/nowhere", "all", ()),
        (404, "not_found: no account's name", "/codex/Fresh", "all", ()),
        (503, "sealed: the box does not open", "/codex/damaged", "all", ()),
        (503, "login_required: refused and expired", "/codex/refused", "all", ()),
        (503, "unavailable: in doubt and expired", "/codex/doubtful", "all", ("retry-after",)),
        (503, "unavailable: expired, the issuer is busy", "/codex/waiting", "all", ("retry-after",)),
        (503, "token_expiring: under min_valid", "/codex/short?min_valid=1900", "all", ("retry-after",)),
        (503, "token_expiring: no token lives so long", "/codex/short?min_valid=5000", "all", ()),
        (503, "sealed: not ready", "/readyz", "none", ("retry-after",)),
    ]:

        @case(HTTP, status, cause, headers=headers)
        def _(api: Api, path: str = path, who: str = who) -> Answer:
            return api.get(path, who)


_refusals()


@case(HTTP, 401, "invalid_token: expired key", headers=("www-authenticate",))
def _(api: Api) -> Answer:
    until_sync(lambda: api.get("/v1/whoami", "brief").status == 401)
    return api.get("/codex/fresh", "brief")


@case(HTTP, 400, "invalid_request: no HTTP")
def _(api: Api) -> Answer:
    return raw(api, b"GET /codex HTTP/1.1\r\nHost: 127.0.0.1\r\n: \r\n\r\n")


def raw(api: Api, data: bytes) -> Answer:
    """Send bytes and read one answer."""
    with connected(api) as stream:
        stream.sendall(data)
        return read_answer(stream)


def connected(api: Api) -> socket.socket:
    parts = urlsplit(api.daemon.url)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=30)


def read_answer(stream: socket.socket) -> Answer:
    response = HTTPResponse(stream)
    response.begin()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, response.read())


@case(HTTP, 405, "method_not_allowed: POST", headers=("allow",))
def _(api: Api) -> Answer:
    return api.get("/codex/fresh", method="POST")


@case(HTTP, 413, "content_too_large: a body")
def _(api: Api) -> Answer:
    return api.get("/codex/fresh", headers={"Content-Length": "1000000"})


@case(HTTP, 421, "misdirected_request: unknown Host")
def _(api: Api) -> Answer:
    return api.get("/codex/fresh", headers={"Host": "evil.example"})


@case(HTTP, 429, "rate_limited: failures of one address", headers=("retry-after",))
def _(api: Api) -> Answer:
    answers = [api.get("/codex/fresh", "unknown", source="127.0.0.2") for _ in range(21)]
    assert [answer.status for answer in answers] == [401] * 20 + [429]
    assert api.get("/codex/fresh").status == 200
    return api.get("/codex/fresh", source="127.0.0.2")


@case(HTTP, 429, "rate_limited: reads of one client", headers=("retry-after",))
def _(api: Api) -> Answer:
    port = urlsplit(api.daemon.url).port
    head = f"GET /v1/whoami HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    request = f"{head}Authorization: Bearer {api.keys['eager']}\r\n\r\n".encode()
    got = b""
    with connected(api) as stream:
        while b"HTTP/1.1 429 " not in got:
            assert len(got) < MOST
            stream.sendall(request * 100)
            got += stream.recv(1 << 20)
        while b"}" not in got.partition(b"HTTP/1.1 429 ")[2]:
            got += stream.recv(1 << 20)
    return parsed(b"HTTP/1.1 429 " + got.partition(b"HTTP/1.1 429 ")[2])


def parsed(data: bytes) -> Answer:
    """Parse the first of several answers."""
    near, far = socket.socketpair()
    with near, far:
        far.sendall(data[:4096])
        return read_answer(near)


@pytest.mark.parametrize("row", cases_of(__name__), ids=str)
def test_the_api_answers_as_the_contract_says(row, api):
    """Status, problem document with its code, the headers that go with it, and no token in an error."""
    check_answer(row, row.act(api))
