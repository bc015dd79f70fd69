"""What an invite tells of the broker's address and certificate."""

import ssl
from hashlib import sha256
from pathlib import Path

import pytest
import trustme

from broker.ops.reach import Reach, pin_of
from fetchtoken.domain.errors import ConfigError
from tests.support.authority import write_pair


def reach(public_url="", local_url="", certificate=None):
    return Reach(public_url=public_url, local_url=local_url, certificate=certificate)


def test_the_last_certificate_of_a_private_chain_is_pinned(tmp_path):
    """It is among what the server presents, and outlives the server's own."""
    authority = trustme.CA()
    cert, _ = write_pair(tmp_path, authority, "broker.example")
    expected = sha256(ssl.PEM_cert_to_DER_cert(authority.cert_pem.bytes().decode())).hexdigest()
    assert pin_of(cert) == reach("https://broker.example", certificate=cert).pin() == expected


def test_a_chain_that_everybody_knows_is_not_pinned(tmp_path, monkeypatch):
    """Its issuer is among this system's authorities, as it is among the machine's."""
    authority = trustme.CA()
    cert, _ = write_pair(tmp_path, authority, "broker.example")
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(authority.cert_pem.bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    assert pin_of(cert) == ""


@pytest.mark.parametrize(
    "content", [None, b"", b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"]
)
def test_a_certificate_that_is_none_is_named(tmp_path, content):
    """The message has setting and file."""
    path = tmp_path / "tls.crt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"tls.cert {path}"):
        pin_of(path)


def test_the_public_address_goes_before_the_local_one():
    """Without either nobody knows where to join; plain http elsewhere takes no code."""
    assert reach("https://b.example", "http://127.0.0.1:1").url() == "https://b.example"
    assert reach("", "http://127.0.0.1:1").url() == "http://127.0.0.1:1"
    assert reach("http://localhost:1").url() == "http://localhost:1"
    for wrong in (reach(), reach("http://b.example")):
        with pytest.raises(ConfigError, match="public_url"):
            wrong.url()


def test_plain_http_has_no_certificate_to_pin():
    """The file is not even read."""
    assert reach("", "http://127.0.0.1:1", Path("/no/such")).pin() == ""
