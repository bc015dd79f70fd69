"""Paths, methods, hosts, bodies, request ids, probes: what holds for every route."""

import json

import pytest

from broker.access.tokens import TokenDesk
from broker.api.app import build_app
from broker.api.hosts import is_known_host, known_hosts
from broker.api.models import Status
from tests.unit.api.world import World, problem, running

PATHS = ["/codex", "/codex/work1", "/v1/whoami", "/v1/accounts", "/healthz", "/readyz", "/openapi.json"]


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_has_the_common_headers(world, path):
    """no-store, a request id, no sniffing, no version of the library."""
    response = await world.get(path)
    assert response.status == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Server"] == "codex-broker"
    assert response.headers["X-Request-Id"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE"])
async def test_other_methods_are_405_with_the_ones_there_are(world, path, method):
    """A wrong method is a problem that names the right ones; no key is needed to learn that."""
    response = await world.get(path, method=method, key="")
    assert (response.status, problem(response)) == (405, "method_not_allowed")
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("path", PATHS)
async def test_options_says_the_methods_and_lets_no_other_origin_in(world, path):
    """OPTIONS is 204 with Allow and without a word of CORS."""
    response = await world.get(
        path, method="OPTIONS", key="", Origin="https://evil.example", Access_Control_Request_Method="GET"
    )
    assert (response.status, response.content_bytes) == (204, b"")
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS"
    assert not [name for name in response.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize("path", PATHS)
async def test_head_has_the_headers_of_get_and_no_body(world, path):
    """HEAD works wherever GET does, with the same status and length."""
    got, head = await world.get(path), await world.get(path, method="HEAD")
    assert head.status == got.status
    assert head.content_bytes == b""
    assert head.headers["Content-Length"] == got.headers["Content-Length"]


async def test_head_of_a_problem_has_no_body(world):
    """A refusal without a body keeps its status and challenge."""
    response = await world.get("/codex", method="HEAD", key="")
    assert (response.status, response.content_bytes) == (401, b"")
    assert response.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/codex/",
        "//codex",
        "/codex//",
        "/codex/work1/",
        "/codex/work1/quota",
        "/CODEX",
        "/codex/device",
        "/codex/Work1",
        "/codex/../codex",
        "/codex/..",
        "/codex/.",
        "/codex/%2e%2e",
        "/codex/%2e%2e%2fhealthz",
        "/codex/..%2f..%2fetc%2fpasswd",
        "/codex/work1%2f..",
        "/codex/work1%00",
        "/codex/%00",
        "/codex/work1%0d%0aX-Evil:1",
        "/codex/%ff%fe",
        "/codex/w%C3%B6rk",
        "/codex/%E2%80%AEwork1",
        "/codex/" + "a" * 65,
        "/codex/" + "%61" * 1000,
        "/codex/-work",
        "/codex/work1;x=1",
        "/v1/admin/account_remove",
        "/metrics",
        "/.well-known/openid-configuration",
        "/%",
        "/%zz",
    ],
)
async def test_a_path_that_is_nothing_is_404(world, path):
    """Unknown paths, names that are none, traversals and odd encodings end in the same problem."""
    for method in ("GET", "POST"):
        response = await world.get(path, method=method)
        if response.status == 405:
            assert path.startswith("/codex/"), path
            continue
        assert (response.status, problem(response)) == (404, "not_found"), (path, method)
    assert world.audit.records == []


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("work1", "/codex/work1"),
        ("work1", "/codex/%77%6F%72%6B1"),
        ("a.b_c@d+e-f", "/codex/a.b_c@d+e-f"),
        ("a.b_c@d+e-f", "/codex/a.b_c%40d%2Be-f"),
        ("x" * 64, "/codex/" + "x" * 64),
    ],
)
async def test_an_account_s_name_may_be_percent_encoded(world, name, path):
    """Every name that accounts can have is reachable, encoded or not."""
    world.account(name=name)
    response = await world.get(path)
    assert response.status == 200
    assert json.loads(response.content_bytes)["account"] == name


HOSTS = known_hosts("https://Broker.Example.com", 7455)


@pytest.mark.parametrize("path", [*PATHS, "/nothing"])
@pytest.mark.parametrize(
    "host", ["evil.example", "broker.example.com.evil.example", "broker.example.com:1", "x@y"]
)
async def test_an_unknown_host_is_421(path, host):
    """Where the public URL is known, a request for another name is misdirected (DNS rebinding)."""
    world = World()
    world.account()
    world.client()
    async with running(world, hosts=HOSTS):
        response = await world.get(path, Host=host)
        assert (response.status, problem(response)) == (421, "misdirected_request")
        assert world.audit.records == []


@pytest.mark.parametrize(
    "host", ["broker.example.com", "BROKER.example.COM", "broker.example.com:443", "broker.example.com."]
)
async def test_the_public_name_and_this_machine_are_known(host):
    """Names know no case; the default port may be left out."""
    world = World()
    async with running(world, hosts=HOSTS):
        assert (await world.get("/healthz", Host=host)).status == 200
        assert (await world.get("/healthz", Host="127.0.0.1:7455")).status == 200


async def test_without_a_public_url_every_host_is_served(world):
    """On a laptop nothing is known to compare with."""
    assert (await world.get(Host="anything.example")).status == 200


def test_known_hosts_follow_the_public_url():
    """A port that is not the scheme's default must be named; IPv6 keeps its brackets."""
    assert known_hosts("", 7455) == frozenset()
    assert is_known_host("anything", frozenset())
    local = {"127.0.0.1:7455", "localhost:7455", "[::1]:7455"}
    assert known_hosts("https://b.example", 7455) == {"b.example", "b.example:443"} | local
    assert known_hosts("http://b.example:8080/", 7455) == {"b.example:8080"} | local
    assert known_hosts("https://[2001:db8::1]", 7455) == {"[2001:db8::1]", "[2001:db8::1]:443"} | local
    assert is_known_host(" [2001:DB8::1] ", known_hosts("https://[2001:db8::1]", 7455))
    assert not is_known_host(None, known_hosts("https://b.example", 7455))


async def test_a_request_without_host_is_misdirected():
    """HTTP/1.0 may leave it out; then it is not ours."""
    world = World()
    async with running(world, hosts=HOSTS):
        assert b" 421 " in await world.raw(b"GET /healthz HTTP/1.0\r\n\r\n")


async def test_a_sane_request_id_is_taken_over(world):
    """The caller's id names the request in answer, log and audit trail."""
    response = await world.get(X_Request_Id="ci.job_42-a")
    assert response.headers["X-Request-Id"] == "ci.job_42-a"
    assert world.audit.records[0].request_id == world.lines[0].request_id == "ci.job_42-a"
    assert (await world.get("/nothing", X_Request_Id="abc")).headers["X-Request-Id"] == "abc"


@pytest.mark.parametrize(
    "given",
    ["", "a b", "x" * 65, "<script>", "ünï", "a,b", "rt_abcdefghijklmnop", "eyJhbGciOiJub25lIn0.e30.c2ln"],
)
async def test_any_other_request_id_is_replaced(world, given):
    """What could break a log line, or looks like a secret, goes nowhere."""
    response = await world.get(X_Request_Id=given)
    made = response.headers["X-Request-Id"]
    assert made != given
    assert len(made) == 16
    assert world.audit.records[0].request_id == made


async def test_a_key_sent_as_request_id_goes_nowhere(world):
    """Not into the answer, the log or the trail."""
    key = world.client()
    response = await world.get(X_Request_Id=key)
    assert key not in str(response.headers)
    assert key not in repr(world.audit.records) + repr(world.lines)


async def test_request_ids_differ(world):
    """Made ids are random."""
    made = {(await world.get("/healthz")).headers["X-Request-Id"] for _ in range(20)}
    assert len(made) == 20


async def test_a_large_body_is_413_and_ends_the_connection(world):
    """No route takes a body: a declared one over 64 KiB is refused before it is read."""
    for head in (b"Content-Length: 65537", b"Transfer-Encoding: chunked"):
        request = b"POST /codex HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n"
        answer = await world.raw(request)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b'"code":"content_too_large"' in answer
        assert b"Connection: close" in answer


async def test_a_small_body_is_read_over(world):
    """Some libraries send one with GET; it changes nothing."""
    async with world.http.get(
        world.url + "/codex", data=b"{}", headers={"Authorization": f"Bearer {world.client()}"}
    ) as response:
        assert response.status == 200


async def test_expectations_are_answered_at_once(world):
    """No body is wanted, so nobody is told to go on sending one."""
    for expectation in (b"100-continue", b"something-else"):
        answer = await world.raw(
            b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: " + expectation + b"\r\n\r\n"
        )
        assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("troubles", [("store",), ("journal",), ("audit",), ("store", "audit")])
async def test_readyz_is_503_for_the_daemon_s_own_troubles(world, troubles):
    """The body tells nobody which; healthz stays 200."""
    world.health.now = troubles
    response = await world.get("/readyz", key="")
    assert (response.status, problem(response)) == (503, "unavailable")
    assert response.headers["Retry-After"] == "5"
    assert not [word for word in troubles if word.encode() in response.content_bytes]
    assert (await world.get("/healthz", key="")).status == 200


async def test_readyz_says_sealed_when_the_seal_does_not_open(world):
    """The seal has a code of its own."""
    world.health.now = ("store", "seal")
    assert problem(await world.get("/readyz", key="")) == "sealed"


async def test_readyz_is_200_while_the_issuer_is_down(world):
    """An issuer that does not answer is no reason to take the broker out of service."""
    world.account(expires_at=1)
    assert (await world.get()).status == 503
    response = await world.get("/readyz", key="")
    assert response.status == 200
    Status.model_validate_json(response.content_bytes)


async def test_a_bug_is_500_without_a_word_of_it(world):
    """The caller gets a request id to report, the connection ends, the service goes on."""
    world.health.now = RuntimeError("secret detail")
    response = await world.get("/readyz", X_Request_Id="find-me")
    assert (response.status, problem(response)) == (500, "internal_error")
    assert b"secret detail" not in response.content_bytes
    assert response.headers["X-Request-Id"] == "find-me"
    assert (await world.get("/healthz")).status == 200


async def test_each_request_leaves_one_line_without_paths_and_secrets(world):
    """The line has the route's template, never the raw path or query."""
    key = world.client()
    await world.get("/codex/work1?min_valid=1&key=" + key)
    await world.get("/codex/someone-elses")
    await world.get("/" + key)
    await world.get("/v1/whoami", key="nonsense")
    seen = [(line.route, line.account, line.client, line.status, line.code) for line in world.lines]
    assert seen == [
        ("/codex/{account}", "work1", "laptop", 200, ""),
        ("/codex/{account}", "", "laptop", 403, "not_granted"),
        ("", "", "", 404, "not_found"),
        ("/v1/whoami", "", "", 401, "invalid_token"),
    ]
    assert key not in repr(world.lines)
    assert "someone-elses" not in repr(world.lines)


def test_an_application_can_be_built_without_request_lines():
    """Lines, hosts, proxies and limits have defaults."""
    world = World()
    app = build_app(
        roster=world.roster,
        desk=TokenDesk(world.roster, world.coordinator, world.audit, lambda: world.now),
        health=world.health,
        enrolment=world.enrolment,
        machines=world.machines,
        devices=world.devices,
        key_hash_key=world.hash_key,
    )
    assert len(app.middlewares) == 0
