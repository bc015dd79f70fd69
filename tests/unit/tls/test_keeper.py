"""The pair in force: read with care, taken up when it changes, kept when what comes is none."""

import os
import ssl

import pytest
import trustme
from structlog.testing import capture_logs

from broker.tls.keeper import TlsKeeper
from fetchtoken.domain.errors import ConfigError, Unsafe
from tests.support.authority import client_trusting, write_pair
from tests.support.need import need_root


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def pair(tmp_path, authority):
    return write_pair(tmp_path, authority, "localhost")


def served(context, client):
    """Make a handshake in memory and return the serial number of the certificate that the client got."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    other = context.wrap_bio(to_server, to_client, server_side=True)
    for side in (one, other) * 3:
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return one.getpeercert()["serialNumber"]


def test_a_new_pair_is_taken_up(pair, authority):
    """Connections after the look get the new certificate, from the context that was there before."""
    client = client_trusting(authority)
    keeper = TlsKeeper(*pair)
    context = keeper.start()
    first = served(context, client)
    keeper.look()
    assert served(context, client) == first
    write_pair(pair[0].parent, authority, "localhost")
    keeper.look()
    assert served(context, client) != first
    assert keeper.problem is None


def test_another_kind_of_key_is_taken_up(pair, authority):
    """RSA after ECDSA, for TLS 1.2 as for 1.3."""
    keeper = TlsKeeper(*pair)
    context = keeper.start()
    issued = authority.issue_cert("localhost", key_type=trustme.KeyType.RSA)
    pair[0].write_bytes(issued.cert_chain_pems[0].bytes())
    pair[1].write_bytes(issued.private_key_pem.bytes())
    keeper.look()
    assert keeper.problem is None
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        client = client_trusting(authority)
        client.minimum_version = client.maximum_version = version
        assert served(context, client)


def test_half_a_renewal_changes_nothing_until_it_is_whole(pair, tmp_path, authority):
    """New certificate, old key: the former pair serves on, one line says why; with the key it is taken up."""
    client = client_trusting(authority)
    keeper = TlsKeeper(*pair)
    context = keeper.start()
    first = served(context, client)
    cert, key = write_pair(tmp_path / "new", authority, "localhost")
    cert.replace(pair[0])
    with capture_logs() as lines:
        keeper.look()
        keeper.look()
    assert [line["event"] for line in lines] == ["tls_files_not_taken_up"]
    assert "is not the key of" in lines[0]["problem"]
    assert served(context, client) == first
    assert isinstance(keeper.problem, ConfigError)
    key.replace(pair[1])
    with capture_logs() as lines:
        keeper.look()
    assert [line["event"] for line in lines] == ["tls_files_taken_up"]
    assert served(context, client) != first
    assert keeper.problem is None


@pytest.mark.parametrize(
    ("spoil", "kind", "says"),
    [
        (lambda cert, _key: cert.unlink(), ConfigError, "No such file"),
        (lambda _cert, key: key.unlink(), ConfigError, "No such file"),
        (lambda cert, _key: cert.write_bytes(cert.read_bytes()[:300]), ConfigError, "no certificate"),
        (lambda _cert, key: key.write_bytes(key.read_bytes()[:60]), ConfigError, "cannot be used"),
        (lambda _cert, key: key.write_bytes(b""), ConfigError, "cannot be used"),
        (lambda _cert, key: key.chmod(0o640), Unsafe, "readable by group"),
        (lambda cert, _key: (cert.unlink(), cert.mkdir()), ConfigError, "Is a directory"),
    ],
    ids=["no cert", "no key", "torn cert", "torn key", "empty key", "loose key", "a directory"],
)
def test_files_that_are_no_pair(pair, authority, spoil, kind, says):
    """Each is refused at the start, and changes nothing later; the message names the file."""
    client = client_trusting(authority)
    keeper = TlsKeeper(*pair)
    context = keeper.start()
    first = served(context, client)
    spoil(*pair)
    with pytest.raises(kind, match=says) as caught:
        TlsKeeper(*pair).start()
    assert str(pair[0].parent) in caught.value.message
    assert caught.value.hint
    keeper.look()
    assert isinstance(keeper.problem, kind)
    assert served(context, client) == first


def test_a_key_with_a_pass_phrase(pair):
    """Nobody is asked for it: there is nobody at a service's terminal."""
    from cryptography.hazmat.primitives import serialization as s

    key = s.load_pem_private_key(pair[1].read_bytes(), None)
    locked = s.BestAvailableEncryption(b"hunter2")
    pair[1].write_bytes(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, locked))
    with pytest.raises(ConfigError, match="cannot be used") as caught:
        TlsKeeper(*pair).start()
    assert "pass phrase" in caught.value.hint


def test_a_key_of_another_user(pair):
    """A stranger's key is not used, even by root."""
    need_root("files of other owners")
    os.chown(pair[1], 12_345, 12_345)
    with pytest.raises(Unsafe, match="belongs to user 12345"):
        TlsKeeper(*pair).start()


def test_a_key_that_systemd_placed(pair):
    """Its credentials show their ACL as group-read; elsewhere that is refused."""
    pair[1].chmod(0o440)
    environ = {"CREDENTIALS_DIRECTORY": str(pair[1].parent)}
    assert TlsKeeper(*pair, environ).start()
    pair[1].chmod(0o444)
    with pytest.raises(Unsafe, match="can be read by others"):
        TlsKeeper(*pair, environ).start()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_versions_are_refused(pair, authority, version):
    """A client that knows no TLS 1.2 gets no connection."""
    client = client_trusting(authority)
    client.set_ciphers("ALL:@SECLEVEL=0")
    client.minimum_version = client.maximum_version = version
    context = TlsKeeper(*pair).start()
    with pytest.raises(ssl.SSLError, match=r"UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION|(?i:version)"):
        served(context, client)


@pytest.mark.parametrize("cipher", ["AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "DHE-RSA-AES128-GCM-SHA256"])
def test_weak_ciphers_are_refused(pair, authority, cipher):
    """Without forward secrecy or authenticated encryption there is no connection."""
    client = client_trusting(authority)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.set_ciphers(cipher)
    context = TlsKeeper(*pair).start()
    with pytest.raises(ssl.SSLError, match=r"(?i)shared[ _]cipher"):
        served(context, client)


def test_no_tickets_are_made(pair):
    """A command connects once and is gone."""
    context = TlsKeeper(*pair).start()
    assert context.num_tickets == 0
    assert context.options & ssl.OP_NO_TICKET
