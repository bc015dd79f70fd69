"""Proxies and authorities from the environment, as the exchange process gets it."""

import ssl

import pytest
import trustme

from fetchtoken.oauth.outcome import Kind
from tests.support.peers import Peer, answering, over_tls, tunnel_to
from tests.unit.oauth.process import Exchange

URL = "https://issuer.test/oauth/token"
BODY = b'{"access_token":"at"}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def ca_file(authority, tmp_path):
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
def server(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("issuer.test").configure_cert(context)
    with Peer(over_tls(context, answering(ANSWER))) as peer:
        yield peer


def through(tmp_path, environ, **frame):
    with Exchange(tmp_path / "a", URL, "rt_canary", environ=environ, **frame).send() as attempt:
        report = attempt.report()
        assert attempt.end() == 0
        return attempt.kind(), report["answer"]["reason"]


@pytest.mark.parametrize("variable", ["CODEX_CA_CERTIFICATE", "SSL_CERT_FILE"])
@pytest.mark.parametrize("proxy_variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_proxy_and_authority_of_the_environment_are_honoured(
    tmp_path, server, ca_file, variable, proxy_variable
):
    """The request goes through CONNECT, and the proxy sees neither token nor path."""
    with Peer(tunnel_to(server.port)) as proxy:
        environ = {proxy_variable: f"http://me:pw@127.0.0.1:{proxy.port}", variable: ca_file}
        assert through(tmp_path, environ)[0] is Kind.TOKENS
    (connect,) = proxy.requests
    assert connect.startswith(b"CONNECT issuer.test:443 ")
    assert b"Proxy-Authorization: Basic bWU6cHc=" in connect
    assert b"rt_canary" not in connect
    (request,) = server.requests
    assert request.startswith(b"POST /oauth/token ")
    assert b"rt_canary" in request


def test_the_authority_of_the_settings_is_honoured(tmp_path, server, ca_file):
    """A CA file that the parent names in the request beats the environment."""
    with Peer(tunnel_to(server.port)) as proxy:
        environ = {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"}
        assert through(tmp_path, environ, ca_file=ca_file)[0] is Kind.TOKENS


def test_an_unknown_authority_is_not_sent_to(tmp_path, server):
    """The handshake fails, so not a byte of the request left."""
    with Peer(tunnel_to(server.port)) as proxy:
        kind, reason = through(tmp_path, {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"})
    assert kind is Kind.NOT_SENT
    assert "certificate" in reason
    assert server.requests == []


@pytest.mark.parametrize("status", [b"403 No", b"407 Who", b"502 Bad"])
def test_a_proxy_that_gives_no_tunnel_is_not_sent(tmp_path, ca_file, status):
    """CONNECT refused is the phase before sending."""
    with Peer(tunnel_to(1, answer=b"HTTP/1.1 " + status + b"\r\n\r\n")) as proxy:
        environ = {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}", "SSL_CERT_FILE": ca_file}
        kind, reason = through(tmp_path, environ)
    assert kind is Kind.NOT_SENT
    assert status[:3].decode() in reason


def test_an_unusable_proxy_setting_is_not_sent(tmp_path):
    """And its value, which may hold a password, is in no message."""
    kind, reason = through(tmp_path, {"HTTPS_PROXY": "socks5://me:canary@127.0.0.1:1"})
    assert kind is Kind.NOT_SENT
    assert "canary" not in reason
