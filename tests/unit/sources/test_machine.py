"""A machine credential of one's own, asked for and ended at a scripted broker."""

import json
import ssl
import time

import pytest
import trustme

from broker.domain.apikey import new_key
from fetchtoken.domain.errors import (
    ConfigError,
    Denied,
    LoginRequired,
    Malformed,
    NotFound,
    Unavailable,
    Unsafe,
)
from fetchtoken.domain.secret import Secret
from fetchtoken.sources.machine import ask_machine, broker_base, end_machine, machine_name
from tests.support.peers import Broker, Peer, answering, closed_port, hang, over_tls, soon
from tests.support.tokens import answer, http, jwt, settings_of

KEY = "cbk_test_0123456789"
CREDENTIAL = new_key("cbr", bytes).text.reveal()
REFRESH = "urn:ietf:params:oauth:token-type:refresh_token"


def settings_for(home, url, **keys):
    return settings_of(home, CODEX_REMOTE_URL=url, CODEX_REMOTE_API_KEY=KEY, **keys)


def given(**changes):
    """Return a broker's answer."""
    known = {
        "access_token": CREDENTIAL,
        "issued_token_type": REFRESH,
        "token_type": "N_A",
        "expires_in": 2_592_000,
        "expires_at": "2026-12-26T10:11:12Z",
        "scope": "token",
        "machine": 7,
        "token": answer(jwt()),
    }
    return known | changes


def asked(home, broker, account="work", **keys):
    settings = settings_for(home, f"http://127.0.0.1:{broker.port}", **keys)
    return ask_machine(settings, account=account, machine="box-1", deadline_s=soon())


def ended(home, port, text=CREDENTIAL):
    settings = settings_for(home, f"http://127.0.0.1:{port}")
    end_machine(settings, Secret(text), issuer="", deadline_s=soon())


@pytest.mark.parametrize("path", ["", "/", "/codex", "/codex/"])
def test_the_key_is_sent_in_the_body_and_nowhere_else(tmp_path, path):
    """To the token endpoint of the configured broker, whichever way its URL is written."""
    with Broker(http(200, given())) as broker:
        settings = settings_for(tmp_path, f"http://127.0.0.1:{broker.port}{path}")
        ask_machine(settings, account="work", machine="box-1", deadline_s=soon())
    head, _, body = broker.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /oauth/token HTTP/1.1\r\n")
    assert KEY.encode() not in head
    assert json.loads(body) == {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": KEY,
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "requested_token_type": REFRESH,
        "audience": "work",
        "machine_name": "box-1",
    }


def test_the_answer_has_all_that_a_codex_file_needs(tmp_path):
    """The credential, its end and issuer, and the token with id token and account id."""
    token = answer(jwt())
    with Broker(http(200, given(token=token))) as broker:
        found = asked(tmp_path, broker)
    assert found.credential.reveal() == CREDENTIAL
    assert found.expires_at == 1_798_279_872
    assert (found.number, found.issuer) == (7, f"http://127.0.0.1:{broker.port}")
    assert found.token.access_token.reveal() == token["access_token"]
    assert found.token.id_token.reveal() == token["tokens"]["id_token"]
    assert (found.token.account, found.token.account_id) == ("work", "acct-1")
    assert found.token.expires_at > time.time()


def test_what_it_is_shown_as_holds_no_secret(tmp_path):
    """Not in a log or traceback that prints it."""
    with Broker(http(200, given())) as broker:
        found = asked(tmp_path, broker)
    shown = f"{found!r} {found.token!r}"
    assert CREDENTIAL[10:] not in shown
    assert found.token.access_token.reveal() not in shown


def test_without_an_account_the_broker_decides(tmp_path):
    """No audience is sent, and the token says which account it is."""
    with Broker(http(200, given())) as broker:
        assert asked(tmp_path, broker, account="").token.account == "work"
    assert b"audience" not in broker.requests[0]


ILL = {
    "no credential": given(access_token="cbr_x"),
    "an API key": given(access_token=new_key("cbk", bytes).text.reveal()),
    "somebody's refresh token": given(access_token="rt_real"),
    "another type": given(issued_token_type="urn:ietf:params:oauth:token-type:jwt"),
    "no end": given(expires_at=None),
    "no number": given(machine="7"),
    "a truth for a number": given(machine=True),
    "no token": given(token=None),
    "a token without a bearer": given(token={}),
    "another account's token": given(token=answer(jwt(), account="home")),
    "a list": [given()],
    "no JSON": b"<html>",
}


@pytest.mark.parametrize("body", ILL.values(), ids=ILL)
def test_an_answer_that_lacks_something_is_nonsense(tmp_path, body):
    """Nothing of it is taken, and the message names the broker and no secret."""
    with Broker(http(200, body)) as broker, pytest.raises(Malformed) as caught:
        asked(tmp_path, broker)
    assert f"127.0.0.1:{broker.port}" in caught.value.message
    assert CREDENTIAL not in caught.value.message
    assert caught.value.hint


REFUSED = {
    "a refused key": (401, "invalid_token", Denied, "check CODEX_REMOTE_API_KEY"),
    "no grant": (403, "not_granted", Denied, "client grant"),
    "no scope": (403, "insufficient_scope", Denied, "scope token"),
    "too many": (403, "too_many_machines", Denied, "client revoke NAME --machine NUMBER"),
    "no account named": (400, "account_required", ConfigError, "--account NAME"),
    "held off": (429, "rate_limited", Unavailable, "try again in 9 s"),
    "login required": (503, "login_required", LoginRequired, "whoever runs the broker"),
    "down": (503, "unavailable", Unavailable, "try again in 9 s"),
    "an older broker": (400, "unsupported_grant_type", NotFound, "a newer codex-broker"),
    "no broker at all": (404, "", NotFound, "a newer codex-broker"),
    "something else": (405, "", NotFound, "a newer codex-broker"),
    "an odd refusal": (400, "invalid_request", Malformed, "the broker itself"),
}


@pytest.mark.parametrize(("status", "code", "error", "hint"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_is_the_error_that_it_is_for_a_token(tmp_path, status, code, error, hint):
    """With one thing to do about it."""
    said = {"code": code, "detail": "x"} if code else {}
    with Broker(http(status, said, Retry_After="9")) as broker, pytest.raises(error) as caught:
        asked(tmp_path, broker)
    assert type(caught.value) is error
    assert hint in caught.value.hint


@pytest.mark.parametrize("code", [["unavailable"], {"a": 1}, 5, None])
def test_a_refusal_with_an_odd_code_is_judged_by_its_status(tmp_path, code):
    """Whatever stands there, it is an error of ours and no bug."""
    with Broker(http(400, {"code": code})) as broker, pytest.raises(Malformed):
        asked(tmp_path, broker)


def test_what_is_no_http_is_nonsense(tmp_path):
    """Something else listens there."""
    with Broker(b"220 mail.example ESMTP\r\n") as broker, pytest.raises(Malformed) as caught:
        asked(tmp_path, broker)
    assert caught.value.hint == "check CODEX_REMOTE_URL"


def test_a_redirect_is_not_followed(tmp_path):
    """The key goes to the broker that is configured, and nowhere that it names."""
    with (
        Broker(http(200, given())) as elsewhere,
        Broker(http(307, {}, Location=f"http://127.0.0.1:{elsewhere.port}/oauth/token")) as broker,
        pytest.raises(Malformed, match="leads elsewhere"),
    ):
        asked(tmp_path, broker)
    assert elsewhere.requests == []


def test_what_was_not_heard_is_said_to_be_asked_again(tmp_path):
    """An answer cut off, none at all, and nobody there are each unavailable."""
    cut = http(200, given())[:-20]
    with Broker(cut) as broker, pytest.raises(Unavailable, match="broke off"):
        asked(tmp_path, broker)
    with Peer(hang) as broker, pytest.raises(Unavailable):
        ask_machine(
            settings_for(tmp_path, f"http://127.0.0.1:{broker.port}"),
            account="",
            machine="x",
            deadline_s=soon(0.3),
        )
    with closed_port() as port:
        settings = settings_for(tmp_path, f"http://127.0.0.1:{port}")
        with pytest.raises(Unavailable) as caught:
            ask_machine(settings, account="", machine="x", deadline_s=soon())
    assert "CODEX_REMOTE_URL" in caught.value.hint


def test_without_a_broker_or_a_key_nothing_is_sent(tmp_path):
    """The built-in URL never gets a key, and a broker without one would refuse."""
    with pytest.raises(ConfigError, match="no broker is configured"):
        ask_machine(settings_of(tmp_path), account="", machine="x", deadline_s=soon())
    with Broker(http(200, given())) as broker:
        settings = settings_of(tmp_path, CODEX_REMOTE_URL=f"http://127.0.0.1:{broker.port}")
        with pytest.raises(ConfigError, match="no API key is configured"):
            ask_machine(settings, account="", machine="x", deadline_s=soon())
    assert broker.requests == []


def test_the_key_is_not_shown_to_the_network(tmp_path):
    """Plain http goes to this machine only."""
    settings = settings_for(tmp_path, "http://broker.example")
    with pytest.raises(Unsafe, match="plain http"):
        ask_machine(settings, account="", machine="x", deadline_s=soon())


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def secure(authority):
    """A context that wants a client certificate of the authority."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def certificates(authority, home):
    """Return the settings of a machine that has a certificate of its own."""
    own = authority.issue_cert("laptop.example")
    authority.cert_pem.write_to_path(home / "ca.pem")
    own.cert_chain_pems[0].write_to_path(home / "own.pem")
    own.private_key_pem.write_to_path(home / "own.key")
    (home / "own.key").chmod(0o600)
    return {
        "CODEX_REMOTE_CA_FILE": str(home / "ca.pem"),
        "CODEX_REMOTE_CLIENT_CERT": str(home / "own.pem"),
        "CODEX_REMOTE_CLIENT_KEY": str(home / "own.key"),
    }


def test_the_broker_is_checked_and_told_who_this_is_as_for_a_token(tmp_path, authority, secure):
    """The CA and client certificate of the remote source are those of this request."""
    keys = certificates(authority, tmp_path)
    with Peer(over_tls(secure, answering(http(200, given())))) as broker:
        url = f"https://localhost:{broker.port}"
        found = ask_machine(
            settings_for(tmp_path, url, **keys), account="work", machine="x", deadline_s=soon()
        )
        assert found.issuer == url
        end_machine(settings_for(tmp_path, url, **keys), found.credential, issuer=url, deadline_s=soon())
        with pytest.raises(Unavailable):
            ask_machine(settings_for(tmp_path, url), account="work", machine="x", deadline_s=soon())
    assert len(broker.requests) == 2


def test_another_broker_gets_no_certificate_of_ours(tmp_path, authority, secure):
    """A file may name any issuer: it is not told who this machine is."""
    keys = certificates(authority, tmp_path) | {"CODEX_CA_CERTIFICATE": str(tmp_path / "ca.pem")}
    settings = settings_for(tmp_path, "https://broker.example", **keys)
    with Peer(over_tls(secure, answering(http(200, {})))) as other:
        issuer = f"https://localhost:{other.port}"
        with pytest.raises(Unavailable):
            end_machine(settings, Secret(CREDENTIAL), issuer=issuer, deadline_s=soon())
    assert other.requests == []


def test_a_credential_is_ended_where_it_came_from(tmp_path):
    """At the broker that its file names, with or without a slash at the end; else at the configured one."""
    with Broker(http(200, {})) as home, Broker(http(200, {})) as configured:
        settings = settings_for(tmp_path, f"http://127.0.0.1:{configured.port}/codex")
        issuer = f"http://127.0.0.1:{home.port}/team/"
        end_machine(settings, Secret(CREDENTIAL), issuer=issuer, deadline_s=soon())
        end_machine(settings, Secret(CREDENTIAL), issuer="", deadline_s=soon())
    assert home.head()[0] == "POST /team/oauth/revoke HTTP/1.1"
    assert configured.head()[0] == "POST /oauth/revoke HTTP/1.1"
    assert json.loads(home.head()[-1])["token"] == CREDENTIAL


@pytest.mark.parametrize("text", ["rt_real", "", CREDENTIAL + "x", new_key("cbk", bytes).text.reveal()])
def test_no_other_token_is_sent_to_a_broker(tmp_path, text):
    """A real refresh token least of all."""
    with Broker(http(200, {})) as broker, pytest.raises(Unsafe, match="no machine credential"):
        ended(tmp_path, broker.port, text)
    assert broker.requests == []


def test_an_end_that_was_not_confirmed_is_said(tmp_path):
    """The credential may live on; without any broker there is nobody to tell."""
    with Broker(http(503, {"code": "unavailable"})) as broker, pytest.raises(Unavailable):
        ended(tmp_path, broker.port)
    with pytest.raises(ConfigError, match="no broker is configured"):
        end_machine(settings_of(tmp_path), Secret(CREDENTIAL), issuer="", deadline_s=soon())


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("https://h", "https://h"),
        ("https://h/team/codex/", "https://h/team"),
        ("unix:/run/b.sock:/codex", "unix:/run/b.sock"),
        ("https://h/", "https://h"),
    ],
)
def test_the_base_is_what_codex_adds_its_paths_to(text, base):
    """Without ``/codex`` and without a slash."""
    assert broker_base(text) == base


def test_a_machine_s_name_is_the_same_each_time_and_no_other_s():
    """From the host's first label and the directory; whatever the host is called, a broker takes it."""
    name = machine_name("Laptop-7.home.example", "/home/a/.codex")
    assert name == machine_name("Laptop-7", "/home/a/.codex")
    assert name.startswith("Laptop-7-")
    assert name != machine_name("Laptop-7", "/home/b/.codex")
    for host in ("", "büro\x1b[2J", "x" * 300, "..", "a b"):
        named = machine_name(host, "/home/a/.codex")
        assert 0 < len(named) <= 64
        assert named.isascii()
        assert named.replace("-", "").replace("_", "").isalnum()
