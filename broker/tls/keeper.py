"""Which certificate new connections get: the pair in the files, or the last one that was whole.

Whoever renews a certificate writes two files, one after the other. A pair that does not fit, or
is half written, changes nothing: the former serves on, the log and ``check`` say why, and the next
look tries again once a file has changed.
"""

import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from fetchtoken.domain.errors import FetchTokenError

if TYPE_CHECKING:
    from broker.tls.certificate import Certificate

__all__ = ["TlsKeeper"]

_log = structlog.get_logger("broker.tls")


class TlsKeeper:
    """Holds the pair in force.

    Args:
        cert: PEM file with the server's certificate, then its issuers'.
        key: PEM file with its key.
        environ: where systemd says which files it placed for this unit.

    Attributes:
        problem: why the files as they are now are not in force, or ``None``.
    """

    def __init__(self, cert: Path, key: Path, environ: Mapping[str, str] = os.environ) -> None:
        self._cert, self._key, self._environ = cert, key, environ
        self._seen: object = None
        self._current: ssl.SSLContext | None = None
        self._certificate: Certificate | None = None
        self.problem: FetchTokenError | None = None

    def certificate(self) -> "Certificate":
        """Return what the certificate in force says; without one, what the file's says.

        Raises:
            ConfigError: a file is missing or something else, or they are no pair.
            Unsafe: others can read the key.
        """
        return self._certificate or self._read()[1]

    def start(self) -> ssl.SSLContext:
        """Take the files into force and return the context to listen with, for good.

        Raises:
            ConfigError: a file is missing or something else, or they are no pair.
            Unsafe: others can read the key.
        """
        self._load()
        assert self._current is not None  # noqa: S101 - it was just loaded
        first = self._current
        # Called in each handshake before a certificate is chosen, whether the client names a host or not.
        first.sni_callback = self._choose
        return first

    def look(self) -> None:
        """Take up files that have changed since the last look; those that are no pair change nothing."""
        if self._signature() == self._seen:
            return
        try:
            self._load()
        except FetchTokenError as error:
            self.problem = error
            _log.error("tls_files_not_taken_up", problem=error.message, todo=error.hint)
        else:
            self.problem = None
            _log.info("tls_files_taken_up", cert=str(self._cert))

    def _choose(self, connection: ssl.SSLObject, _name: str | None, first: ssl.SSLContext) -> None:
        if self._current is not None and self._current is not first:
            connection.context = self._current

    def _load(self) -> None:
        # Noted before they are read: what changes in between is met at the next look.
        self._seen = self._signature()
        self._current, self._certificate = self._read()

    def _read(self) -> "tuple[ssl.SSLContext, Certificate]":
        # A daemon without TLS of its own starts without what reads certificates.
        from broker.tls.pair import load_pair

        return load_pair(self._cert, self._key, self._environ)

    def _signature(self) -> tuple[object, ...]:
        return tuple(_signature(path) for path in (self._cert, self._key))


def _signature(path: Path) -> object:
    """Return what changes with the file: its place on disk, size, times, owner and mode."""
    try:
        status = path.stat()
    except OSError as error:
        return error.errno
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
