"""How a program starts the exchange process: command line, environment and frames.

The process must outlive its parent, so it gets a session of its own, no terminal, no inherited
output, and an environment with nothing in it that it does not need.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from struct import Struct

from fetchtoken.domain.jsontext import dumps, loads

__all__ = [
    "EXCHANGE",
    "FRAME_HEADER",
    "REFRESH_FILE",
    "boot_clock_s",
    "child_argv",
    "child_environment",
    "decode_frame",
    "encode_frame",
    "read_frame",
]

EXCHANGE = "fetchtoken.oauth.exchange"
"""The process that carries out an attempt of the broker's."""

REFRESH_FILE = "fetchtoken.codex.refresh_process"
"""The process that refreshes an auth file, locks and all."""

FRAME_HEADER = Struct(">I")
_LIMIT = 4 << 20

_KEPT = frozenset(
    {
        "ALL_PROXY",
        "CODEX_CA_CERTIFICATE",
        "HOME",
        "HTTPS_PROXY",
        "LANG",
        "LC_ALL",
        "LD_LIBRARY_PATH",
        "NO_PROXY",
        "PATH",
        "PYTHONPATH",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "SYSTEMROOT",
        "USERPROFILE",
    }
)
"""Lower-case twins of the proxy variables are kept too, as curl and Codex read both."""

_PLACES = frozenset({"CODEX_CA_CERTIFICATE", "SSL_CERT_DIR", "SSL_CERT_FILE"})


def child_argv(module: str) -> list[str]:
    """Return an exchange process's command line; it names no secret and no account.

    Args:
        module: :data:`EXCHANGE` or :data:`REFRESH_FILE`.
    """
    return [sys.executable, "-P", "-m", module]


def child_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what the exchange process may see: where to find Python, certificates and proxies.

    It works in ``/``, so a path that starts where the caller stands is made whole here.
    """
    kept = {key: value for key, value in environ.items() if key.upper() in _KEPT}
    return {key: os.path.abspath(value) if key in _PLACES and value else value for key, value in kept.items()}


def boot_clock_s() -> float:
    """Return seconds on a clock that all processes share and that goes on while the machine sleeps."""
    import time

    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


def encode_frame(value: dict[str, object]) -> bytes:
    """Return a JSON object behind its length."""
    payload = dumps(value).encode()
    return FRAME_HEADER.pack(len(payload)) + payload


def decode_frame(payload: bytes) -> dict[str, object]:
    """Return the object in a frame's payload.

    Raises:
        ValueError: it is not a JSON object.
    """
    value = loads(payload.decode())
    if not isinstance(value, dict):
        raise ValueError("a frame must hold a JSON object")  # noqa: TRY004 - bad data, not a bad call
    return value


def read_frame(fd: int) -> dict[str, object] | None:
    """Read one frame from a descriptor.

    Returns:
        The object, or ``None`` where the writer went away before the frame was whole.

    Raises:
        ValueError: too long, or not a JSON object.
    """
    header = _read_exactly(fd, FRAME_HEADER.size)
    if header is None:
        return None
    (length,) = FRAME_HEADER.unpack(header)
    if length > _LIMIT:
        raise ValueError("the frame is too long")
    payload = _read_exactly(fd, length)
    return None if payload is None else decode_frame(payload)


def _read_exactly(fd: int, size: int) -> bytes | None:
    data = b""
    while len(data) < size:
        chunk = os.read(fd, size - len(data))
        if not chunk:
            return None
        data += chunk
    return data
