import base64
import ssl
import subprocess
import sys
import warnings

import pytest
import trustme

from fetchtoken.domain.errors import ConfigError, Unavailable
from fetchtoken.net import tls
from fetchtoken.net.client import request
from fetchtoken.net.errors import NoAnswer, NotSent
from tests.support.peers import OK, Peer, answering, over_tls, read_request, reset, soon, tunnel_to

NO_ENVIRONMENT: dict[str, str] = {}


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def ca_file(authority, tmp_path):
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


def server_context(authority, *names):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


def get(port, *, host="127.0.0.1", environ=NO_ENVIRONMENT, **more):
    more.setdefault("deadline_s", soon())
    return request("GET", f"https://{host}:{port}/x", headers={}, environ=environ, **more)


def test_an_answer_over_tls(authority, ca_file):
    """With the right CA file the handshake succeeds and the answer comes back."""
    with Peer(over_tls(server_context(authority, "127.0.0.1"), answering(OK))) as peer:
        assert get(peer.port, ca_file=ca_file).body == b"hello"


@pytest.mark.parametrize("variable", ["CODEX_CA_CERTIFICATE", "SSL_CERT_FILE"])
def test_the_ca_file_of_the_environment(authority, ca_file, variable):
    """Both variables that the real Codex reads name the CA file."""
    with Peer(over_tls(server_context(authority, "127.0.0.1"), answering(OK))) as peer:
        assert get(peer.port, environ={variable: ca_file}).complete


def test_a_hashed_directory_is_tried_before_the_bundle(authority, ca_file, tmp_path, monkeypatch):
    """A CA that only the bundle knows is found although the directory was asked first."""
    directory = tmp_path / "certs"
    directory.mkdir()
    (directory / "00000000.0").write_bytes(trustme.CA().cert_pem.bytes())
    assert tls.trusts(None, {"SSL_CERT_DIR": str(directory)}) == [("", str(directory)), ("", "")]
    monkeypatch.setenv("SSL_CERT_FILE", ca_file)  # what OpenSSL itself takes as its bundle
    with Peer(over_tls(server_context(authority, "127.0.0.1"), answering(OK))) as peer:
        assert get(peer.port, environ={"SSL_CERT_DIR": str(directory)}).complete
    assert peer.accepted == 2


def test_without_a_hashed_directory_only_the_bundle_is_tried(tmp_path):
    """A directory without hashed names holds nothing that OpenSSL would find."""
    assert tls.trusts(None, {"SSL_CERT_DIR": str(tmp_path)}) == [("", "")]
    assert tls.trusts(None, {"SSL_CERT_DIR": str(tmp_path / "none")}) == [("", "")]
    assert tls.trusts("a.pem", {"SSL_CERT_FILE": "b.pem"}) == [("a.pem", "")]


def test_ssl_is_imported_without_re():
    """``base64`` is put off until somebody converts a certificate, and works then."""
    code = (
        "import sys; sys.path.insert(0, '.')\n"
        "import fetchtoken.net.tls\nassert not {'re', 'base64'} & set(sys.modules), 'too much'\n"
        "import ssl\npem = ssl.DER_cert_to_PEM_cert(b'abc')\nassert ssl.PEM_cert_to_DER_cert(pem) == b'abc'\n"
        "import base64\nassert base64.b64encode(b'abc') == b'YWJj'"
    )
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)


def test_an_unknown_authority_is_refused(authority):
    """A certificate of a CA that nobody trusts ends in the handshake: NotSent, with a hint."""
    with (
        Peer(over_tls(server_context(authority, "127.0.0.1"), answering(OK))) as peer,
        pytest.raises(NotSent, match="certificate of 127") as caught,
    ):
        get(peer.port)
    assert peer.requests == []
    assert "CODEX_CA_CERTIFICATE" in caught.value.hint


def test_a_wrong_name_is_refused(authority, ca_file):
    """A good certificate for another name ends in the handshake."""
    with (
        Peer(over_tls(server_context(authority, "other.example"), answering(OK))) as peer,
        pytest.raises(NotSent, match="certificate of 127"),
    ):
        get(peer.port, ca_file=ca_file)
    assert peer.requests == []


def test_tls_1_1_is_refused(authority, ca_file):
    """A peer that speaks nothing newer than TLS 1.1 gets no request."""
    context = server_context(authority, "127.0.0.1")
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with Peer(over_tls(context, answering(OK))) as peer, pytest.raises(NotSent, match="no TLS with"):
        get(peer.port, ca_file=ca_file)
    assert peer.requests == []


def test_a_peer_without_tls_is_not_sent(ca_file):
    """Plain text where TLS was expected ends in the handshake."""
    with Peer(answering(OK)) as peer, pytest.raises(NotSent, match="no TLS with"):
        get(peer.port, ca_file=ca_file, deadline_s=soon(2))


def test_a_hanging_handshake_is_not_sent(ca_file):
    """The deadline covers the handshake."""
    with Peer(lambda peer, _: peer.over.wait()) as peer, pytest.raises(NotSent, match="timed out"):
        get(peer.port, ca_file=ca_file, deadline_s=soon(0.2))


def test_reset_after_the_request_is_no_answer(authority, ca_file):
    """Under TLS too, a request that was handed over and not answered is NoAnswer."""

    def script(_, connection):
        read_request(connection)
        reset(connection)

    with Peer(over_tls(server_context(authority, "127.0.0.1"), script)) as peer, pytest.raises(NoAnswer):
        get(peer.port, ca_file=ca_file)


@pytest.mark.parametrize("notice", [True, False])
def test_a_body_until_close_needs_the_closing_notice(authority, ca_file, notice):
    """Without TLS's own end the rest may have been cut off on the way: incomplete."""

    def script(_, connection):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nhello")
        if not notice:
            connection.close()

    with Peer(over_tls(server_context(authority, "127.0.0.1"), script)) as peer:
        answer = get(peer.port, ca_file=ca_file)
    assert (answer.body, answer.complete) == (b"hello", notice)


def test_a_client_certificate(authority, ca_file, tmp_path):
    """A server that asks for a client certificate gets it."""
    context = server_context(authority, "127.0.0.1")
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    mine = authority.issue_cert("client@example")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    mine.cert_chain_pems[0].write_to_path(cert)
    mine.private_key_pem.write_to_path(key)
    with Peer(over_tls(context, answering(OK))) as peer:
        assert get(peer.port, ca_file=ca_file, client_cert=str(cert), client_key=str(key)).complete
        with pytest.raises(Unavailable):  # before or after the request: TLS 1.3 checks it late
            get(peer.port, ca_file=ca_file)


@pytest.mark.parametrize("option", ["ca_file", "client_cert"])
def test_an_unreadable_certificate_file(tmp_path, option):
    """A missing or wrong certificate file is a configuration error naming it; nothing is connected."""
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    for path in (str(wrong), str(tmp_path / "gone.pem")):
        with pytest.raises(ConfigError, match=path.rpartition("/")[2]):
            get(1, **{option: path})


def test_through_a_proxy_with_a_password(authority, ca_file):
    """CONNECT goes to the proxy with its login; TLS is with the peer, whose name is checked."""
    context = server_context(authority, "token.example")
    with (
        Peer(over_tls(context, answering(OK))) as peer,
        Peer(tunnel_to(peer.port)) as proxy,
    ):
        environ = {"HTTPS_PROXY": f"http://me:p%40ss@127.0.0.1:{proxy.port}"}
        answer = get(443, host="token.example", ca_file=ca_file, environ=environ)
    login = base64.b64encode(b"me:p@ss").decode()
    assert answer.body == b"hello"
    assert proxy.requests == [
        f"CONNECT token.example:443 HTTP/1.1\r\nHost: token.example:443\r\n"
        f"Proxy-Authorization: Basic {login}\r\n\r\n".encode()
    ]
    assert b"Proxy-Authorization" not in peer.requests[0]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "answered 403"),
        (b"HTTP/1.1 407 Who\r\n\r\n", "answered 407"),
        (b"gibberish", "not HTTP"),
        (b"", "closed the connection"),
    ],
)
def test_a_proxy_that_gives_no_tunnel_is_not_sent(ca_file, answer, reason):
    """Whatever the proxy answers instead of a tunnel, nothing was sent; its password is not shown."""
    with Peer(tunnel_to(1, answer=answer)) as proxy, pytest.raises(NotSent, match=reason) as caught:
        get(
            443,
            host="token.example",
            ca_file=ca_file,
            environ={"https_proxy": f"me:hunter2@127.0.0.1:{proxy.port}"},
        )
    assert "hunter2" not in caught.value.message + caught.value.hint


def test_this_machine_is_never_reached_through_a_proxy(authority, ca_file):
    """Loopback is spoken to directly although a proxy is set."""
    with Peer(over_tls(server_context(authority, "127.0.0.1"), answering(OK))) as peer:
        assert get(peer.port, ca_file=ca_file, environ={"HTTPS_PROXY": "http://127.0.0.1:1"}).complete
