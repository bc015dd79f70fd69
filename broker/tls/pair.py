"""A certificate's file and its key's: checked, and made into what handshakes are done with."""

import os
import ssl
from collections.abc import Mapping
from pathlib import Path

from broker.seal.keyfile import CREDENTIALS_VARIABLE
from broker.tls.certificate import Certificate, read_chain
from fetchtoken.domain.errors import ConfigError, Unsafe
from fetchtoken.files.guard import check_private

__all__ = ["load_pair", "new_context"]

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2; forward secret and authenticated, as all of TLS 1.3 is (RFC 9325 §4.2)."""

_BESIDES_ACL = 0o037


def new_context() -> ssl.SSLContext:
    """Return a server's context without a certificate: TLS 1.2 or newer, and no session tickets.

    Commands connect once and are gone: a ticket for each of them costs as much as it would save.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    return context


def load_pair(
    cert: Path, key: Path, environ: Mapping[str, str] = os.environ
) -> tuple[ssl.SSLContext, Certificate]:
    """Read a pair of files.

    Args:
        cert: PEM file with the server's certificate, then its issuers'.
        key: PEM file with its key.
        environ: where systemd says which files it placed for this unit.

    Raises:
        ConfigError: a file is missing or something else, or they are no pair.
        Unsafe: others can read the key.
    """
    try:
        chain = read_chain(cert.read_bytes(), str(cert))
        _check_key(key, environ)
        context = new_context()
        context.load_cert_chain(cert, key, password="")  # or OpenSSL would ask at the terminal
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigError(
                f"{key} is not the key of {cert}", hint="give the two files of one certificate"
            ) from None
        raise ConfigError(
            f"{cert} and {key} cannot be used: {_words(error)}",
            hint="give PEM files, the key without a pass phrase",
        ) from None
    except OSError as error:
        raise ConfigError(
            f"{error.filename or key} cannot be read: {error.strerror}",
            hint="correct tls.cert or tls.key, or the file's owner",
        ) from None
    return context, Certificate.of(chain, str(cert))


def _check_key(path: Path, environ: Mapping[str, str]) -> None:
    status = path.stat()
    if path.parent == Path(environ.get(CREDENTIALS_VARIABLE) or "/-"):
        # Root's, with an ACL entry for the unit's user, whose mask shows as group-read.
        if status.st_uid not in (0, os.geteuid()) or status.st_mode & _BESIDES_ACL:
            raise Unsafe(f"{path} can be read by others", hint=f"chmod 400 {path}")
        return
    check_private(str(path), status)


def _words(error: ssl.SSLError) -> str:
    return (error.reason or "no PEM file").replace("_", " ").lower()
