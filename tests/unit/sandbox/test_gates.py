"""Acting in the middle of an exchange, without sleeping."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from fetchtoken.oauth.messages import OAUTH_CLIENT_ID


def _raw_exchange(issuer, refresh_token):
    """Send an exchange over a bare socket and return the socket."""
    body = json.dumps(
        {"client_id": OAUTH_CLIENT_ID, "grant_type": "refresh_token", "refresh_token": refresh_token}
    )
    parts = urlsplit(issuer.url)
    peer = socket.create_connection((parts.hostname, parts.port))
    head = (
        "POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    peer.sendall((head + body).encode())
    return peer


def test_a_held_answer_is_committed_before_anybody_sees_it(issuer):
    """With ``hold`` the rotation stands while its answer waits for the release."""
    login = issuer.mint()
    issuer.fault("hold")
    with ThreadPoolExecutor() as pool:
        pending = pool.submit(issuer.exchange, login.refresh_token)
        issuer.until_held()
        assert issuer.login(login.login_id)["generation"] == 1
        assert not pending.done()
        assert issuer.release() == 1
        assert pending.result()[0] == 200


def test_a_request_can_be_held_before_it_is_judged(issuer):
    """With ``hold-before`` nothing is committed until the release."""
    login = issuer.mint()
    issuer.fault("hold-before")
    with ThreadPoolExecutor() as pool:
        pending = pool.submit(issuer.exchange, login.refresh_token)
        issuer.until_held()
        assert issuer.login(login.login_id)["generation"] == 0
        assert issuer.exchanges() == []
        issuer.release()
        assert pending.result()[0] == 200
    assert issuer.login(login.login_id)["generation"] == 1


def test_two_holders_of_one_token_kill_the_family(issuer):
    """Of two requests with one token that are judged at once, one rotates and one revokes."""
    login = issuer.mint()
    issuer.fault("hold-before", times=2)
    with ThreadPoolExecutor() as pool:
        pending = [pool.submit(issuer.exchange, login.refresh_token) for _ in range(2)]
        issuer.until_held(2)
        assert issuer.release() == 2
        assert sorted(each.result()[0] for each in pending) == [200, 401]
    assert issuer.login(login.login_id)["revoked"]


def test_a_rotation_stands_when_the_client_died_waiting(issuer):
    """Nobody received the answer, and the token is spent all the same."""
    login = issuer.mint()
    issuer.fault("hold")
    peer = _raw_exchange(issuer, login.refresh_token)
    issuer.until_held()
    peer.close()
    issuer.release()
    assert issuer.exchange(login.refresh_token)[1]["error"]["code"] == "refresh_token_reused"


def test_a_request_is_processed_when_its_client_died_before(issuer):
    """A request that arrived whole is judged although its sender is gone."""
    login = issuer.mint()
    issuer.fault("hold-before")
    peer = _raw_exchange(issuer, login.refresh_token)
    issuer.until_held()
    peer.close()
    issuer.release()
    assert issuer.until_logged(1)[0]["decision"] == "rotated"


def test_a_slow_answer_is_committed_at_once(issuer):
    """A slow answer waits after the rotation, not before it."""
    login = issuer.mint()
    issuer.fault("slow", seconds=600)
    peer = _raw_exchange(issuer, login.refresh_token)
    assert issuer.until_logged(1)[0]["decision"] == "rotated"
    assert issuer.login(login.login_id)["generation"] == 1
    peer.close()


def test_a_slow_answer_comes(issuer):
    """The answer of a slow exchange arrives after the queued seconds."""
    login = issuer.mint()
    issuer.fault("slow", seconds=0.05)
    assert issuer.exchange(login.refresh_token)[0] == 200


def test_waiting_in_vain_ends(issuer):
    """A wait for what does not happen answers with what there is."""
    assert json.loads(
        issuer.ask("GET", "/sandbox/held?count=1&wait_s=0.01", bearer=issuer.control_token)[1]
    ) == {"held": 0}
