"""Real peers on loopback: a scripted server, TLS, a CONNECT proxy."""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from time import monotonic
from types import TracebackType
from typing import Self

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def soon(seconds: float = 20.0) -> float:
    return monotonic() + seconds


def reset(connection: socket.socket) -> None:
    """Close with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def read_request(connection: socket.socket) -> bytes:
    """Read head and Content-Length body."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return data
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


class Peer:
    """Listens, runs ``script`` on each connection in a thread, keeps what went wrong and the requests."""

    def __init__(
        self, script: Callable[["Peer", socket.socket], None], listener: socket.socket | None = None
    ):
        self.script = script
        self.requests: list[bytes] = []
        self.accepted = 0
        self.arrived = threading.Event()
        self.over = threading.Event()
        self.listener = listener or socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.threads: list[threading.Thread] = []
        self.acceptor = threading.Thread(target=self._accept)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/x?y=1"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            if connection.family != socket.AF_UNIX:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.accepted += 1
            self.arrived.set()
            thread = threading.Thread(target=self._run, args=(connection,))
            self.threads.append(thread)
            thread.start()

    def _run(self, connection: socket.socket) -> None:
        with contextlib.closing(connection), contextlib.suppress(OSError):  # the client may be gone
            self.script(self, connection)

    def __enter__(self) -> Self:
        self.acceptor.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.acceptor.join()
        for thread in self.threads:
            thread.join()


class Broker(Peer):
    """A peer that gives its answers in turn, the last one for ever."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        super().__init__(Broker.serve)

    def serve(self, connection: socket.socket) -> None:
        self.requests.append(read_request(connection))
        connection.sendall(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])

    def head(self, number: int = -1) -> list[str]:
        return self.requests[number].decode().split("\r\n")


def answering(data: bytes) -> Callable[[Peer, socket.socket], None]:
    """Read a request, answer it with these bytes, close."""

    def script(peer: Peer, connection: socket.socket) -> None:
        peer.requests.append(read_request(connection))
        connection.sendall(data)

    return script


def hang(peer: Peer, connection: socket.socket) -> None:
    peer.requests.append(read_request(connection))
    peer.over.wait()


def over_tls(
    context: ssl.SSLContext, script: Callable[[Peer, socket.socket], None]
) -> Callable[[Peer, socket.socket], None]:
    def wrapped(peer: Peer, connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            script(peer, secure)
            with contextlib.suppress(OSError, ValueError):
                secure.unwrap()

    return wrapped


def tunnel_to(
    port: int, *, answer: bytes = b"HTTP/1.1 200 Tunnel\r\n\r\n"
) -> Callable[[Peer, socket.socket], None]:
    """A CONNECT proxy that leads every target to one local port."""

    def script(peer: Peer, connection: socket.socket) -> None:
        peer.requests.append(read_request(connection))
        connection.sendall(answer)
        if b" 200 " not in answer:
            return
        with socket.create_connection(("127.0.0.1", port)) as onward:
            back = threading.Thread(target=_pump, args=(onward, connection))
            back.start()
            _pump(connection, onward)
            back.join()

    return script


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """A port that is bound and refuses: nobody else can take it meanwhile."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]
