"""The little server that waits for the browser."""

import select
import socket
import urllib.parse

import pytest

from fetchtoken.domain.errors import ConfigError, Denied, Unsafe
from fetchtoken.domain.secret import Secret
from fetchtoken.oauth.login.callback import Callback
from tests.support.visitor import visit

STATE = Secret("s" * 43)


@pytest.fixture
def callback():
    with Callback(STATE, ports=(0,)) as waiting:
        yield waiting


def back(callback, query, **more):
    return visit(f"http://127.0.0.1:{callback.port}/auth/callback{query}", **more)


def answer(**fields):
    return "?" + urllib.parse.urlencode({"state": STATE.reveal(), **fields})


def came(callback):
    assert select.select([callback], [], [], 30)[0] == [callback]
    return callback.code()


def test_the_answer(callback):
    """The browser is told to close, the command gets the code."""
    page = back(callback, answer(code="ac_1"))
    assert page.status == 200
    assert "close this page" in page.text
    assert came(callback).reveal() == "ac_1"
    assert "ac_1" not in page.text


def test_a_denial_is_the_commands_error(callback):
    """What the person said no to ends the waiting."""
    assert back(callback, answer(error="access_denied")).status == 400
    with pytest.raises(Denied):
        came(callback)


def test_a_wrong_state_ends_the_login(callback):
    """Somebody else's answer is refused on the page and in the terminal."""
    page = back(callback, "?code=ac_1&state=other")
    assert page.status == 400
    assert "Not logged in" in page.text
    with pytest.raises(Unsafe, match="another state"):
        came(callback)


def test_the_first_answer_counts(callback):
    """A second one changes nothing."""
    back(callback, answer(code="ac_1"))
    back(callback, answer(code="ac_2"))
    back(callback, "?code=ac_3&state=other")
    assert came(callback).reveal() == "ac_1"


@pytest.mark.parametrize(
    ("path", "method", "headers", "status"),
    [
        ("/", "GET", {}, 404),
        ("/auth/callback/", "GET", {}, 404),
        ("/auth/callback", "GET", {}, 400),
        ("/auth/callback?x=1", "GET", {}, 400),
        (f"/auth/callback{answer(code='ac_1')}", "POST", {}, 405),
        (f"/auth/callback{answer(code='ac_1')}", "HEAD", {}, 405),
        (f"/auth/callback{answer(code='ac_1')}", "OPTIONS", {}, 405),
        (f"/auth/callback{answer(code='ac_1')}", "GET", {"Host": "evil.example"}, 421),
        (f"/auth/callback{answer(code='ac_1')}", "GET", {"Host": "127.0.0.1"}, 421),
        (f"/auth/callback{answer(code='ac_1')}", "GET", {"Host": ""}, 421),
    ],
)
def test_everything_else_changes_nothing(callback, path, method, headers, status):
    """Other paths, methods and hosts are answered, and the waiting goes on."""
    page = visit(f"http://127.0.0.1:{callback.port}{path}", method=method, **headers)
    assert page.status == status
    assert select.select([callback], [], [], 0)[0] == []
    assert callback.code() is None
    assert "ac_1" not in page.text
    assert "no-store" in page.headers["cache-control"]


def test_a_posted_form_brings_nothing(callback):
    """A hostile page's form with a code is not even read."""
    page = back(callback, "", method="POST", form={"code": "ac_1", "state": STATE.reveal()})
    assert page.status == 405
    assert callback.code() is None


def test_localhost_is_this_machine_too(callback):
    """Older links and tunnels say localhost."""
    page = back(callback, answer(code="ac_1"), Host=f"localhost:{callback.port}")
    assert page.status == 200


def test_it_listens_on_loopback_only(callback):
    """The socket is bound to 127.0.0.1, and to nothing that others reach."""
    assert callback._server.server_address[0] == "127.0.0.1"


def test_connections_that_say_nothing_keep_nobody(callback):
    """Browsers open some in advance; the answer comes through beside them, and the end waits for none."""
    idle = [socket.create_connection(("127.0.0.1", callback.port)) for _ in range(5)]
    idle[0].sendall(b"GET /auth")
    assert back(callback, answer(code="ac_1")).status == 200
    for each in idle:
        each.close()


def test_it_is_closed_afterwards():
    """Nobody listens once the login is over, and the port is free at once."""
    with Callback(STATE, ports=(0,)) as waiting:
        port = waiting.port
        back(waiting, answer(code="ac_1"))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    with Callback(STATE, ports=(port,)) as again:
        assert again.port == port


def test_a_busy_port_makes_way_for_the_next():
    """The second port is as good; with both taken the error names them and the other way."""
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        Callback(STATE, ports=(one.getsockname()[1], 0)) as waiting,
    ):
        assert waiting.port != one.getsockname()[1]
        ports = (one.getsockname()[1], waiting.port)
        with (
            pytest.raises(ConfigError, match=f"{ports[0]} and {ports[1]}") as caught,
            Callback(STATE, ports=ports),
        ):
            pass
        assert "--device" in caught.value.hint
