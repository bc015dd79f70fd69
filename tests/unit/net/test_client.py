import socket
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from fetchtoken.domain.errors import ConfigError, Unsafe
from fetchtoken.net import connect
from fetchtoken.net.client import request
from fetchtoken.net.errors import BadAnswer, NoAnswer, NotSent
from tests.support.peers import OK, Peer, answering, closed_port, hang, read_request, reset, soon


def get(url, **more):
    return request(
        "GET", url, headers=more.pop("headers", {}), deadline_s=more.pop("deadline_s", soon()), **more
    )


def test_one_request_one_answer():
    """The request arrives as rendered, and status, headers and body come back."""
    with Peer(answering(OK)) as peer:
        answer = request("POST", peer.url, headers={"X-A": "b"}, body=b"{}", deadline_s=soon())
    assert (answer.status, answer.body, answer.complete) == (200, b"hello", True)
    assert peer.requests == [
        f"POST /x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:{peer.port}\r\nX-A: b\r\n"
        "Content-Length: 2\r\nConnection: close\r\n\r\n{}".encode()
    ]


def test_the_public_socket_module_serves_as_well(monkeypatch):
    """Where the C module is missing, ``socket`` takes its place."""
    monkeypatch.setitem(sys.modules, "_socket", None)
    with Peer(answering(OK)) as peer:
        assert get(peer.url).body == b"hello"


def test_plain_http_imports_next_to_nothing():
    """A whole exchange over plain HTTP needs neither ``socket`` nor ``ssl`` nor what they import."""
    heavy = {
        "socket",
        "ssl",
        "enum",
        "re",
        "selectors",
        "json",
        "typing",
        "threading",
        "encodings.idna",
        "urllib",
    }
    code = (
        "import sys\nfrom time import monotonic\nfrom fetchtoken.net.client import request\n"
        "answer = request('GET', sys.argv[1], headers={}, deadline_s=monotonic() + 20)\n"
        "print(answer.body.decode(), *sys.modules)"
    )
    with Peer(answering(OK)) as peer:
        run = subprocess.run(
            [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, '.')\n{code}", peer.url],
            capture_output=True,
            text=True,
            check=True,
        )
    body, *modules = run.stdout.split()
    assert body == "hello"
    assert not heavy & set(modules)


def test_refused_connection_is_not_sent():
    """Nobody listening: NotSent with host, port and the system's reason."""
    with closed_port() as port, pytest.raises(NotSent, match=rf"127\.0\.0\.1:{port}: Connection refused"):
        get(f"http://127.0.0.1:{port}/")


def test_reset_before_the_first_byte_is_not_sent():
    """The peer has reset before anything went out: NotSent."""
    gone = threading.Event()

    def script(_, connection):
        reset(connection)
        gone.set()

    with Peer(script) as peer, pytest.raises(NotSent, match=r"0 of|cannot connect"):
        get(peer.url, before_first_byte=gone.wait)


def test_reset_in_the_middle_of_the_request_is_not_sent():
    """The peer resets with a part of the body still here: NotSent."""

    def script(_, connection):
        connection.recv(1000)
        reset(connection)

    with Peer(script) as peer, pytest.raises(NotSent, match="did not take the request"):
        request("POST", peer.url, headers={}, body=b"x" * (32 << 20), deadline_s=soon())


def test_a_peer_that_does_not_read_is_not_sent():
    """The kernel's buffers are full until the deadline: NotSent."""
    with Peer(lambda peer, _: peer.over.wait()) as peer, pytest.raises(NotSent, match="timed out"):
        request("POST", peer.url, headers={}, body=b"x" * (32 << 20), deadline_s=soon(0.3))


@pytest.mark.parametrize("end", [reset, socket.socket.close])
def test_a_peer_that_goes_away_after_the_request_gives_no_answer(end):
    """The request was handed over and the connection ended: NoAnswer, not NotSent."""

    def script(_, connection):
        read_request(connection)
        end(connection)

    with Peer(script) as peer, pytest.raises(NoAnswer, match="gave no answer"):
        get(peer.url)


def test_a_hanging_peer_gives_no_answer_by_the_deadline():
    """The deadline ends the wait for a head."""
    with Peer(hang) as peer, pytest.raises(NoAnswer, match="timed out"):
        get(peer.url, deadline_s=soon(0.2))


def test_half_a_head_gives_no_answer():
    """A head that breaks off is no answer."""
    with Peer(answering(b"HTTP/1.1 200 OK\r\nContent-")) as peer, pytest.raises(NoAnswer):
        get(peer.url)


def test_nonsense_is_a_bad_answer():
    """What is not HTTP is told apart from silence."""
    with Peer(answering(b"SSH-2.0-OpenSSH_9\r\n")) as peer, pytest.raises(BadAnswer, match="nonsense"):
        get(peer.url)


@pytest.mark.parametrize("end", [reset, socket.socket.close])
def test_a_torn_body_is_an_incomplete_answer(end):
    """A body that breaks off is returned with ``complete`` false."""

    def script(_, connection):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel")
        connection.recv(0)
        connection.shutdown(socket.SHUT_WR)
        end(connection)

    with Peer(script) as peer:
        answer = get(peer.url)
    assert answer.status == 200
    assert not answer.complete


def test_a_body_that_hangs_is_an_incomplete_answer():
    """The deadline in mid-body keeps what came."""

    def script(peer, connection):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel")
        peer.over.wait()

    with Peer(script) as peer:
        answer = get(peer.url, deadline_s=soon(0.5))
    assert (answer.body, answer.complete) == (b"hel", False)


def test_redirects_are_answers():
    """A 302 is returned, not followed."""
    with Peer(answering(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n")) as peer:
        answer = get(peer.url)
    assert (answer.status, answer.headers["location"]) == (302, "http://127.0.0.1:1/")
    assert peer.accepted == 1


def test_the_first_byte_can_be_held_back():
    """What ``before_first_byte`` raises comes out, and the peer sees a connection without a byte."""

    def late():
        assert peer.arrived.wait(20)
        raise NotSent("too late")

    with Peer(answering(OK)) as peer, pytest.raises(NotSent, match="too late"):
        get(peer.url, before_first_byte=late)
    assert peer.requests == [b""]


def test_plain_http_to_another_machine_is_unsafe():
    """Plain http leaves this machine under no circumstances, not even for a name lookup."""
    for host in ("token.example", "192.0.2.1", "127.0.0.1.example"):
        with pytest.raises(Unsafe, match=host):
            get(f"http://{host}/codex")


def test_header_injection_never_connects():
    """A header value with a line break is refused before a connection is made."""
    with Peer(answering(OK)) as peer, pytest.raises(ConfigError):
        get(peer.url, headers={"Authorization": "Bearer a\r\nX: y"})
    assert peer.accepted == 0


def test_a_unix_socket(tmp_path):
    """A unix URL speaks HTTP over the socket."""
    path = str(tmp_path / "s")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    with Peer(answering(OK), listener) as peer:
        assert get(f"unix:{path}:/codex").body == b"hello"
    assert peer.requests == [b"GET /codex HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"]


def test_a_missing_unix_socket_is_not_sent(tmp_path):
    """The message names the socket."""
    with pytest.raises(NotSent, match=r"gone\.sock: No such file"):
        get(f"unix:{tmp_path}/gone.sock")


def test_the_next_address_is_tried():
    """Where the first address refuses, the second one is used."""
    with closed_port() as port, Peer(answering(OK)) as peer:
        found = [(socket.AF_INET, 1, 6, "", ("127.0.0.1", number)) for number in (port, peer.port)]
        sockets = SimpleNamespace(**{**vars(socket), "getaddrinfo": lambda *_: found})
        stream = connect._tcp(sockets, "two.example", 443, "two.example:443", soon())
        with stream:
            assert stream.getpeername() == ("127.0.0.1", peer.port)


def test_address_families_take_turns():
    """IPv6 and IPv4 alternate, so that one broken family costs one wait (RFC 8305 §4)."""
    six, four = (
        [(socket.AF_INET6, 1, 6, "", (f"::{n}", 1, 0, 0)) for n in range(3)],
        (socket.AF_INET, 1, 6, "", ("a", 1)),
    )
    sockets = SimpleNamespace(**{**vars(socket), "getaddrinfo": lambda *_: [*six, four]})
    found = connect._addresses(sockets, "many.example", 1, soon())
    assert [address[0] for _, address in found] == ["::0", "a", "::1", "::2"]


def test_a_name_lookup_that_hangs_ends_at_the_deadline():
    """``getaddrinfo`` knows no deadline; the request does."""
    over = threading.Event()
    sockets = SimpleNamespace(**{**vars(socket), "getaddrinfo": lambda *_: over.wait()})
    try:
        with pytest.raises(NotSent, match="timed out"):
            connect._tcp(sockets, "slow.example", 443, "slow.example:443", soon(0.1))
    finally:
        over.set()


def test_a_deadline_in_the_past_sends_nothing():
    """Time that is over before the start is NotSent."""
    with Peer(answering(OK)) as peer, pytest.raises(NotSent, match="timed out"):
        get(peer.url, deadline_s=soon(-1))
    assert peer.requests == []
