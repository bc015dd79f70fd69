"""A machine credential at a broker with a certificate of its own: the CA pinned for it counts there."""

import json
import ssl

import pytest
import trustme

from fetchtoken.codex.destination import authority_of
from tests.support.command import World
from tests.support.logins import auth_document
from tests.support.peers import Peer, answering, over_tls
from tests.support.tokens import http, jwt


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://broker.example/oauth/token", "/broker.pem"),
        ("https://broker.example:443/team/oauth/revoke", "/broker.pem"),
        ("https://broker.example:8443/oauth/token", "/all.pem"),
        ("https://auth.openai.com/oauth/token", "/all.pem"),
    ],
)
def test_an_authority_counts_for_its_broker_alone(url, found):
    """By the whole origin; OpenAI is never checked by a broker's CA."""
    known = {"broker_url": "https://broker.example/codex", "ca_file": "/all.pem"}
    assert authority_of(url, broker_ca="/broker.pem", **known) == found
    assert authority_of(url, broker_ca="", **known) == "/all.pem"
    assert authority_of(url, broker_url="", broker_ca="/broker.pem", ca_file="") == ""


@pytest.fixture
def authority():
    return trustme.CA()


@pytest.fixture
def world(tmp_path, authority):
    """A machine with the broker's CA in a file, and a credential whose token has ended."""
    world = World(tmp_path)
    authority.cert_pem.write_to_path(world.home / "ca.pem")
    world.environ |= {"CODEX_REMOTE_CA_FILE": str(world.home / "ca.pem"), "CODEX_TOKEN_SOURCE": "local"}
    return world


def enrolled(world, url, configured=None):
    world.environ["CODEX_REMOTE_URL"] = configured or url
    document = auth_document(jwt(1000, age_s=2000), refresh="cbr_x")
    document["tokens"]["oauth_provenance"] = {"issuer": url, "client_id": "app_x"}
    return world.write(".codex/auth.json", json.dumps(document), mode=0o600)


def serving(authority, *script):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    return Peer(over_tls(context, answering(http(200, *script))))


def test_a_refresh_reaches_it(world, authority):
    """The token comes, and the credential stays."""
    token = jwt()
    with serving(authority, {"access_token": token, "refresh_token": "cbr_x"}) as broker:
        enrolled(world, f"https://localhost:{broker.port}")
        ran = world.process()
    assert (ran.code, ran.out.strip()) == (0, token), ran.err
    assert len(broker.requests) == 1


def test_a_logout_reaches_it(world, authority):
    """The credential ends there, and the file goes."""
    with serving(authority, {}) as broker:
        file = enrolled(world, f"https://localhost:{broker.port}")
        ran = world.process("logout")
    assert (ran.code, file.exists()) == (0, False), ran.err
    assert b"POST /oauth/revoke" in broker.requests[0]


def test_another_broker_is_not_checked_by_it(world, authority):
    """Its certificate is nobody's that is trusted: nothing is sent, and nothing is deleted."""
    with serving(authority, {}) as broker:
        file = enrolled(world, f"https://localhost:{broker.port}", "https://broker.example")
        assert world.process("logout").code == 5
        assert world.process().code == 5
    assert broker.requests == []
    assert file.exists()
