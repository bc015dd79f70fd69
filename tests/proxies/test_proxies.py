"""Real nginx and real Caddy, as configured here, in front of a real broker."""

import http.client
import json
import re
import subprocess
from urllib.parse import urlencode

import pytest
import trustme

from tests.support.authority import client_trusting, write_pair
from tests.support.daemon import LIMIT_S, Answer, running_daemon
from tests.support.issuer import issuer_in_thread
from tests.support.need import need_program
from tests.support.proxy import DEPLOY, free_port, serving, write_caddy, write_nginx

ELSEWHERE = "127.0.0.9"
"""Another caller than the proxy itself, whose failures are counted apart."""


class Front:
    """A broker and the proxy in front of it.

    Attributes:
        url: the proxy's.
        key: of a client that may use account work.
    """

    def __init__(self, kind, daemon, port, authority, root):
        self.kind, self.daemon, self.port, self.root = kind, daemon, port, root
        self.url = f"https://localhost:{port}"
        self.key = daemon.add_client("laptop", "work")
        self.trust = client_trusting(authority)
        self.ca_file = root / "ca.pem"
        self.ca_file.write_bytes(authority.cert_pem.bytes())

    def ask(self, path, *, method="GET", key=None, source="", body=None, headers=()):
        """Ask as the path is written, without tidying it up."""
        connection = http.client.HTTPSConnection(
            "localhost",
            self.port,
            context=self.trust,
            timeout=LIMIT_S,
            source_address=(source, 0) if source else None,
        )
        try:
            connection.putrequest(method, path, skip_host=any(name == "Host" for name, _ in headers))
            connection.putheader("Authorization", f"Bearer {self.key if key is None else key}")
            for name, value in headers:
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders()
            try:
                connection.send(body or b"")
            except OSError:
                assert body, "only a body that is too large may be hung up on"
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def fetch(self, *words):
        """Run ``codex-fetchtoken`` against the proxy."""
        remote = {
            "CODEX_TOKEN_SOURCE": "remote",
            "CODEX_REMOTE_URL": self.url,
            "CODEX_REMOTE_API_KEY": self.key,
            "CODEX_REMOTE_CA_FILE": str(self.ca_file),
        }
        return self.daemon.machine.fetch(*words, **remote)


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def front(request, tmp_path_factory):
    root = tmp_path_factory.mktemp(request.param)
    authority = trustme.CA()
    cert, key = write_pair(root / "tls", authority, "localhost")
    port = free_port()
    settings = {
        "CODEX_BROKER_SERVER_PUBLIC_URL": f"https://localhost:{port}",
        "CODEX_BROKER_SERVER_BEHIND_PROXY": "127.0.0.1/32",
    }
    with issuer_in_thread() as issuer, running_daemon(root, issuer.url, **settings) as daemon:
        daemon.hold(issuer.mint(), "work")
        upstream = daemon.url.removeprefix("http://")
        if request.param == "nginx":
            command, more = write_nginx(root, port, upstream, cert, key), {}
        else:
            command, more = write_caddy(root, port, cert, key), {"BROKER_UPSTREAM": upstream}
        with serving(command, port, root, **more):
            yield Front(request.param, daemon, port, authority, root)


def test_a_token_passes(front):
    """The command prints one, and the tag of the answer is good for a 304."""
    ran = front.fetch()
    assert ran.code == 0, ran
    assert ran.out.startswith("ey")
    first = front.ask("/codex")
    assert (first.status, first.document["access_token"]) == (200, ran.out.strip())
    again = front.ask("/codex", headers=[("If-None-Match", first.headers["etag"])])
    assert (again.status, again.body) == (304, b"")


def test_a_device_login_passes(front):
    """Codex's requests and the page's forms, with the asker's own address and the page's own policy."""
    asker = ELSEWHERE[:-1] + "7"

    def send(path, fields, encode, kind, **how):
        headers = [("Content-Type", kind), ("Origin", front.url)]
        return front.ask(path, method="POST", body=encode(fields).encode(), headers=headers, **how)

    def as_json(path, **fields):
        return send(path, fields, json.dumps, "application/json", source=asker)

    def as_form(**fields):
        return send("/codex/device", fields, urlencode, "application/x-www-form-urlencoded")

    wishes = {"accounts": ["work"], "scopes": ["token"], "expires_s": 3600}
    invite = front.daemon.call("invite_add", name=f"{front.kind}-device", **wishes)["code"]
    kept = as_json("/api/accounts/deviceauth/usercode", client_id="app_x").document
    page = as_form(user_code=kept["user_code"], invite=invite)
    assert (page.status, asker in page.body.decode()) == (200, True)
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    ticket = re.search(r'name="ticket" value="([^"]+)"', page.body.decode())[1]
    assert as_form(ticket=ticket, machine="box", account="work", decision="approve").status == 200
    secrets = {name: kept[name] for name in ("device_auth_id", "user_code")}
    told = as_json("/api/accounts/deviceauth/token", **secrets).document
    brought = as_json(
        "/oauth/token",
        grant_type="authorization_code",
        client_id="app_x",
        code=told["authorization_code"],
        redirect_uri=f"{front.url}/deviceauth/callback",
        code_verifier=told["code_verifier"],
    )
    assert brought.status == 200, brought


@pytest.mark.parametrize(
    "path",
    [
        "/codex",
        "/codex/work",
        "/codex/device",
        "/join",
        "/v1/whoami",
        "/v1/accounts",
        "/oauth/token",
        "/api/accounts/deviceauth/usercode",
        "/.well-known/oauth-authorization-server",
    ],
)
def test_what_clients_need_reaches_the_broker(front, path):
    """The answer, whatever it is, is the broker's own."""
    assert "x-request-id" in front.ask(path).headers


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/metrics",
        "/metrics/",
        "/openapi.json",
        "/healthz",
        "/readyz",
        "/dashboard",
        "/codexes",
        "/join/x",
        "/v10/whoami",
        "/codex/../metrics",
        "/codex/%2e%2e/metrics",
        "/v1/..%2fmetrics",
        "//metrics",
        "/./readyz",
        "/x/../readyz",
    ],
)
def test_what_clients_do_not_need_is_not_there(front, path):
    """Written in any way it is 404; what the broker sees of it, if anything, is nothing either."""
    answer = front.ask(path)
    assert answer.status in (400, 404)
    assert b"status" not in answer.body or answer.code == "not_found"


def test_a_caller_cannot_pass_for_many(front):
    """Guesses count for the address that they come from, whatever X-Forwarded-For they bring."""
    seen = []
    for number in range(40):
        claimed = [("X-Forwarded-For", f"198.51.100.{number}"), ("Forwarded", f"for=198.51.100.{number}")]
        seen.append(front.ask("/codex", key="cbk_guess", source=ELSEWHERE, headers=claimed).status)
    assert (seen[0], seen[-1]) == (401, 429)
    assert front.ask("/codex").status == 200, "another caller by the same proxy is not held to account"


def test_the_broker_knows_the_callers_address(front):
    """It stands in the audit trail."""
    assert front.ask("/codex", source=ELSEWHERE[:-1] + "8").status == 200
    peers = {row["peer"] for row in front.daemon.admin_json("audit", "list", "--client", "laptop")}
    assert "127.0.0.8" in peers


def test_a_huge_body_is_refused(front):
    """More than the broker takes does not get past the proxy."""
    assert front.ask("/oauth/token", method="POST", body=b"a" * 200_000).status == 413


def test_another_host_is_refused(front):
    """By the broker behind nginx; Caddy answers nothing for a name that is not its own."""
    answer = front.ask("/codex", headers=[("Host", "evil.example")])
    assert answer.status == 421 if front.kind == "nginx" else answer.body == b""


def test_secrets_stay_out_of_the_proxys_files(front):
    """No key and no token in its logs, and no answer in a file."""
    token = front.ask("/codex").document["access_token"]
    for path in front.root.glob("*"):
        if path.is_file() and path.suffix != ".pem" and path.name not in ("daemon.out", "daemon.err"):
            text = path.read_bytes()
            assert token.encode() not in text, path
            assert front.key.encode() not in text, path
    assert not list((front.root / "proxy").rglob("*")) if front.kind == "nginx" else True


def test_with_the_broker_down_callers_are_told_to_come_again(front):
    """503 as a problem that commands know: they serve their copy, or end with 5."""
    assert front.fetch().code == 0
    port = front.daemon.url
    assert front.daemon.stop() == 0
    try:
        answer = front.ask("/codex")
        assert (answer.status, answer.code) == (503, "unavailable")
        assert front.fetch("--no-cache").code == 5
        ran = front.fetch("--min-valid", "700")
        assert (ran.code, ran.out[:2]) == (0, "ey")
    finally:
        front.daemon.start()
        assert front.daemon.url == port


def test_the_files_pass_the_proxies_own_checks(tmp_path):
    """``nginx -t`` and ``caddy validate`` have nothing to say."""
    cert, key = write_pair(tmp_path / "tls", trustme.CA(), "localhost")
    command = [*write_nginx(tmp_path, free_port(), "127.0.0.1:7455", cert, key), "-t"]
    tested = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    assert tested.returncode == 0, tested.stderr
    assert not re.search(r"\[(warn|emerg)\]", tested.stderr)
    caddy = [need_program("caddy", "caddy"), "validate", "--adapter", "caddyfile", "--config"]
    done = subprocess.run(
        [*caddy, str(DEPLOY / "Caddyfile")],
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
        env={"HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    levels = {json.loads(line)["level"] for line in done.stderr.splitlines() if line.startswith("{")}
    assert levels <= {"info"}, done.stderr
