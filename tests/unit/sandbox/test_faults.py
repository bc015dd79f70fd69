"""Every fault of the sandbox issuer, before and after the rotation was committed."""

import json
from http.client import HTTPConnection, IncompleteRead, RemoteDisconnected
from urllib.parse import urlsplit

import pytest

from broker.sandbox.faults import FAULTS, find_fault
from fetchtoken.domain.errors import ConfigError
from fetchtoken.oauth.messages import OAUTH_CLIENT_ID

STATUS = {
    "500": 500,
    "503": 503,
    "503-retry-after": 503,
    "429": 429,
    "429-retry-after": 429,
    "redirect-302": 302,
    "redirect-307": 307,
    "403-page": 403,
    "html": 200,
    "not-json": 200,
    "refuse-reused": 401,
    "refuse-expired": 401,
    "refuse-revoked": 401,
    "refuse-grant": 400,
    "refuse-bare": 401,
}
"""Faults that are an answer instead of processing."""

WITHOUT = {
    "missing-fields": {"access_token", "refresh_token", "id_token"},
    "no-access-token": {"access_token"},
    "no-id-token": {"id_token"},
    "no-refresh-token": {"refresh_token"},
}
"""Faults that are a token answer with something missing."""

WIRE = {"reset", "hang", "torn"}
"""Faults of the connection."""

ELSEWHERE = {"slow", "hold", "hold-before", "other-account"}
"""Faults with tests of their own."""


def _send(issuer, refresh_token, timeout_s=30):
    connection = HTTPConnection(urlsplit(issuer.url).netloc, timeout=timeout_s)
    body = {"client_id": OAUTH_CLIENT_ID, "grant_type": "refresh_token", "refresh_token": refresh_token}
    try:
        connection.request("POST", "/oauth/token", json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, dict(response.headers), response.read()
    finally:
        connection.close()


def test_every_fault_has_a_test():
    """No fault is without one of the tests below."""
    assert STATUS.keys() | WITHOUT.keys() | WIRE | ELSEWHERE == FAULTS.keys()


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("name", sorted(STATUS))
def test_an_answer_instead_of_tokens(issuer, name, committed):
    """The answer is the fault's; the rotation is committed only where the name says so."""
    login = issuer.mint()
    issuer.fault("commit-then-" + name if committed else name)
    assert _send(issuer, login.refresh_token)[0] == STATUS[name]
    entry = issuer.exchanges()[-1]
    assert entry["decision"] == ("rotated" if committed else "not processed")
    assert (entry["status"], entry["generation"]) == (STATUS[name], 0)
    assert issuer.login(login.login_id)["generation"] == committed
    assert issuer.alive(login.access_token)
    assert _send(issuer, login.refresh_token)[0] == (401 if committed else 200)


@pytest.mark.parametrize("name", sorted(WITHOUT))
def test_a_token_answer_with_something_missing(issuer, name):
    """The fields that the name says are missing, the others are there."""
    login = issuer.mint()
    issuer.fault(name)
    status, _, body = _send(issuer, login.refresh_token)
    assert status == 200
    missing = {"access_token", "refresh_token", "id_token"} - json.loads(body).keys()
    assert missing == WITHOUT[name]


def test_without_a_new_refresh_token_the_old_one_stays_good(issuer):
    """An issuer that does not rotate renews the access token only."""
    login = issuer.mint()
    issuer.fault("no-refresh-token")
    _, answer = issuer.exchange(login.refresh_token)
    assert issuer.alive(answer["access_token"])
    assert issuer.exchanges()[-1]["decision"] == "renewed"
    assert issuer.exchange(login.refresh_token)[0] == 200
    assert issuer.login(login.login_id) | {"generation": 1, "exchanges": 2} == issuer.login(login.login_id)


@pytest.mark.parametrize("name", sorted(set(WITHOUT) - {"no-refresh-token"}))
def test_a_spoiled_token_answer_is_a_committed_rotation(issuer, name):
    """Whatever is missing from the answer, the old refresh token is spent."""
    login = issuer.mint()
    issuer.fault(name)
    _send(issuer, login.refresh_token)
    assert issuer.exchange(login.refresh_token)[1]["error"]["code"] == "refresh_token_reused"


def test_tokens_can_name_another_account(issuer):
    """An answer with somebody else's identity is good for this family all the same."""
    login = issuer.mint()
    issuer.fault("other-account")
    _, answer = issuer.exchange(login.refresh_token)
    assert login.account_id not in answer["access_token"]
    assert issuer.alive(answer["access_token"])
    again = issuer.mint(account_id=login.account_id)
    assert issuer.exchange(answer["refresh_token"])[0] == 200
    assert again.login_id != login.login_id


@pytest.mark.parametrize("committed", [False, True])
def test_a_reset_brings_no_byte(issuer, committed):
    """The connection is reset, before or after the rotation."""
    login = issuer.mint()
    issuer.fault("commit-then-reset" if committed else "reset")
    with pytest.raises(ConnectionResetError) as caught:
        _send(issuer, login.refresh_token)
    assert not isinstance(caught.value, RemoteDisconnected), "closed, not reset"
    assert issuer.exchanges()[-1]["status"] == 0
    assert issuer.login(login.login_id)["generation"] == committed


@pytest.mark.parametrize("committed", [False, True])
def test_a_hang_brings_nothing(issuer, committed):
    """The connection stays open without an answer, before or after the rotation."""
    login = issuer.mint()
    issuer.fault("commit-then-hang" if committed else "hang")
    with pytest.raises(TimeoutError):
        _send(issuer, login.refresh_token, timeout_s=0.2)
    issuer.until_logged(1)
    assert issuer.login(login.login_id)["generation"] == committed


def test_a_torn_answer_ends_in_the_middle(issuer):
    """Half of the announced body arrives, and the rotation is committed."""
    login = issuer.mint()
    issuer.fault("torn")
    with pytest.raises(IncompleteRead) as caught:
        _send(issuer, login.refresh_token)
    assert caught.value.partial.startswith(b'{"access_token":')
    assert 0 <= caught.value.expected - len(caught.value.partial) <= 1
    assert issuer.login(login.login_id)["generation"] == 1


def test_retry_after_is_what_was_asked_for(issuer):
    """Retry-After carries the queued seconds, and only where the name says so."""
    issuer.fault("503-retry-after", seconds=37)
    issuer.fault("429-retry-after", seconds=5)
    issuer.fault("503")
    found = [_send(issuer, "rt_x")[1].get("Retry-After") for _ in range(3)]
    assert found == ["37", "5", None]


@pytest.mark.parametrize("name", ["redirect-302", "redirect-307"])
def test_a_redirect_leads_to_the_token_endpoint(issuer, name):
    """Whoever follows a redirect is seen in the log."""
    issuer.fault(name)
    assert _send(issuer, "rt_x")[1]["Location"] == "/oauth/token"


@pytest.mark.parametrize("name", ["html", "403-page"])
def test_a_page_is_a_page(issuer, name):
    """A page in the way says that it is HTML."""
    issuer.fault(name)
    _, headers, body = _send(issuer, "rt_x")
    assert headers["Content-Type"].startswith("text/html")
    assert body.startswith(b"<!DOCTYPE html>")


@pytest.mark.parametrize("shape", ["nested", "string", "top"])
def test_a_fault_uses_the_shape_that_was_asked_for(issuer, shape):
    """The errors of faults come in the three shapes too."""
    issuer.settings(error_shape=shape)
    issuer.fault("refuse-expired")
    _, answer = issuer.exchange("rt_x")
    found = {"nested": lambda: answer["error"]["code"], "string": lambda: answer["error"]}
    assert found.get(shape, lambda: answer["code"])() == "refresh_token_expired"


def test_an_error_survives_a_fault_that_is_about_tokens(issuer):
    """A fault that takes tokens out of an answer leaves a refusal as it is."""
    issuer.fault("no-access-token")
    assert issuer.exchange("rt_unknown")[1]["error"]["code"] == "invalid_grant"


def test_a_fault_counts_down(issuer):
    """A fault with ``times`` spoils so many requests, a negative number all until it is cleared."""
    issuer.fault("500", times=2)
    assert [_send(issuer, "rt_x")[0] for _ in range(3)] == [500, 500, 400]
    issuer.fault("503", times=-1)
    assert {_send(issuer, "rt_x")[0] for _ in range(3)} == {503}
    issuer.clear_faults()
    assert _send(issuer, "rt_x")[0] == 400


def test_faults_are_used_in_order(issuer):
    """Queued faults come first in, first out."""
    issuer.fault("500")
    issuer.fault("429")
    assert [_send(issuer, "rt_x")[0] for _ in range(2)] == [500, 429]


def test_a_fault_can_be_for_one_login(issuer):
    """A fault with a login spoils that family's requests only."""
    one, two = issuer.mint(), issuer.mint()
    issuer.fault("500", login_id=two.login_id)
    assert issuer.exchange(one.refresh_token)[0] == 200
    assert issuer.exchange(two.refresh_token)[0] == 500


def test_a_fault_can_be_for_usage_or_revocation(issuer):
    """A fault names its route; the token endpoint is only the default."""
    login = issuer.mint()
    issuer.fault("503", route="/backend-api/wham/usage")
    issuer.fault("500", route="/oauth/revoke")
    assert issuer.exchange(login.refresh_token)[0] == 200
    assert issuer.ask("GET", "/backend-api/wham/usage", bearer=login.access_token)[0] == 503
    body = {"token": login.refresh_token, "client_id": OAUTH_CLIENT_ID}
    assert issuer.ask("POST", "/oauth/revoke", body=body)[0] == 500
    assert issuer.alive(login.access_token)


@pytest.mark.parametrize("committed", [False, True])
def test_any_status_and_code_can_be_asked_for(issuer, committed):
    """``status-NNN-CODE`` is an answer instead of tokens; without a code its body is empty."""
    login = issuer.mint()
    for name in ("status-403-refresh_token_reused", "status-404"):
        issuer.fault("commit-then-" + name if committed else name, login_id=login.login_id)
    status, answer = issuer.exchange(login.refresh_token)
    assert (status, answer["error"]["code"]) == (403, "refresh_token_reused")
    status, _, body = _send(issuer, login.refresh_token)
    assert (status, body) == (404, b"")
    assert issuer.login(login.login_id)["generation"] == committed


@pytest.mark.parametrize(
    "name",
    [
        "",
        "501",
        "commit-then-",
        "commit-then-torn",
        "commit-then-commit-then-500",
        "status-",
        "status-99",
        "status-404-",
        "status-404-Two Words",
    ],
)
def test_an_unknown_fault_is_refused(name):
    """A mistyped fault is an error that lists what there is."""
    with pytest.raises(ConfigError, match="no fault") as caught:
        find_fault(name)
    assert "503-retry-after" in caught.value.hint
