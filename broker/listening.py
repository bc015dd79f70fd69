"""The daemon's sockets: bound here, or, for the API, opened by the service manager and passed on."""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from broker.ops.notify import Passed, passed_sockets
from broker.plaintext import refuse_plain_text
from broker.settings import Settings
from fetchtoken.domain.errors import ConfigError

__all__ = ["bind", "bind_ssh", "listen", "url_of"]

_NAME = "api"


@contextmanager
def listen(settings: Settings) -> Iterator[socket.socket]:
    """Give the socket that the service manager passed, else one that is bound here.

    Raises:
        ConfigError: the port is taken, there is no such address, or what was passed is no such socket.
        Unsafe: what was passed would serve tokens in plain text to other machines.
    """
    passed = passed_sockets(os.environ, os.getpid())
    if not passed:
        with bind(settings) as listener:
            yield listener
        return
    with _take(passed) as listener:
        host, port = listener.getsockname()[:2]
        refuse_plain_text(settings, host, what=f"the socket passed for port {port} at")
        yield listener


@contextmanager
def bind(settings: Settings) -> Iterator[socket.socket]:
    """Bind the API's socket, before anything else is touched.

    Raises:
        ConfigError: the port is taken, or there is no such address.
    """
    with _bound(settings.server.host, settings.server.port, "--host", "--port") as listener:
        yield listener


@contextmanager
def bind_ssh(settings: Settings) -> Iterator[socket.socket | None]:
    """Bind the SSH front door's socket, where it is open.

    Raises:
        ConfigError: the port is taken, or there is no such address.
    """
    if settings.ssh.address is None:
        yield None
        return
    with _bound(*settings.ssh.address, "ssh.listen") as listener:
        yield listener


def _bound(host: str, port: int, *settings: str) -> socket.socket:
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(
                f"port {port} on {host} is taken by another program",
                hint=f"choose another with {settings[-1]}, or find it by: ss -ltnp sport = :{port}",
            ) from None
        raise ConfigError(
            f"cannot listen on {host} port {port}: {error.strerror}",
            hint=f"choose another with {', '.join(settings)}",
        ) from None
    return listener


def url_of(settings: Settings, listener: socket.socket) -> str:
    """Return the address under which this machine reaches the API."""
    host, port = listener.getsockname()[:2]
    if settings.server.port in (0, port):
        host = settings.server.host
    scheme = "https" if settings.tls.is_on else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _take(passed: list[Passed]) -> socket.socket:
    named = [one for one in passed if one.name == _NAME] or passed
    for other in passed:
        os.set_inheritable(other.fd, False)  # noqa: FBT003 - the library's
    if len(named) != 1:
        names = ", ".join(one.name or "(unnamed)" for one in passed)
        raise ConfigError(
            f"the service manager passed {len(passed)} sockets: {names}",
            hint=f"pass one, or name one by FileDescriptorName={_NAME}",
        )
    try:
        listener = socket.socket(fileno=named[0].fd)
    except OSError as error:
        raise _wrong(str(error.strerror)) from None
    if listener.family not in (socket.AF_INET, socket.AF_INET6) or listener.type != socket.SOCK_STREAM:
        listener.close()
        raise _wrong("it is no TCP socket")
    return listener


def _wrong(why: str) -> ConfigError:
    return ConfigError(
        f"the socket that the service manager passed cannot be used: {why}",
        hint="ListenStream= takes an address and a port",
    )
