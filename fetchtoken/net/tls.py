"""TLS 1.2 or newer by the public ``ssl``: whom to trust, and the handshake."""

from __future__ import annotations

import os

from fetchtoken.domain.errors import ConfigError
from fetchtoken.net.connect import remaining_s
from fetchtoken.net.errors import NotSent, words_of
from fetchtoken.net.light_ssl import ssl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from socket import socket

    from fetchtoken.net.url import Url

__all__ = ["UnknownAuthority", "client_context", "trusts", "wrap"]

_UNKNOWN_ISSUER = frozenset({2, 18, 19, 20, 21})
"""X509_V_ERR codes that say: the chain ends at no authority that is known."""


class UnknownAuthority(NotSent):
    """The peer's certificate comes from no authority that this machine trusts."""


def trusts(ca_file: str | None, environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return what to trust, to be tried in order, as ``(file, directory)``; both empty: the bundle.

    A configured file stands alone. Else the system's hashed directory is tried before its bundle:
    of the directory only what is needed is read, the bundle costs two bare interpreter starts.

    Args:
        ca_file: a PEM file of the caller's settings.
        environ: ``CODEX_CA_CERTIFICATE``, then ``SSL_CERT_FILE``, as the real Codex reads them.
    """
    chosen = ca_file or environ.get("CODEX_CA_CERTIFICATE") or environ.get("SSL_CERT_FILE")
    if chosen:
        return [(chosen, "")]
    directory = environ.get("SSL_CERT_DIR") or ssl.get_default_verify_paths().capath or ""
    return [("", directory), ("", "")] if directory and _is_hashed(directory) else [("", "")]


def _is_hashed(directory: str) -> bool:
    try:
        with os.scandir(directory) as entries:
            return any(len(entry.name) == 10 and entry.name.endswith(".0") for entry in entries)
    except OSError:
        return False


def client_context(trust: tuple[str, str], cert: str | None, key: str | None) -> ssl.SSLContext:
    """Return a context that checks chain and name.

    Args:
        trust: one item of :func:`trusts`.
        cert: PEM file with this client's certificate, or ``None``.
        key: PEM file with its key where that is not in ``cert``; it must not have a pass phrase.

    Raises:
        ConfigError: a file cannot be read or holds something else.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    file, directory = trust
    try:
        if file or directory:
            context.load_verify_locations(file or None, directory or None)
            if file:
                # Whatever stands in a file that was chosen is trusted, also where it is no root: a pinned
                # certificate is the server's own or an intermediate one.
                context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        else:
            context.load_default_certs()
    except OSError as error:
        raise ConfigError(
            f"cannot load certificate authorities from {file or directory}: {words_of(error)}",
            hint="give a PEM file of CA certificates",
        ) from None
    if cert:
        try:
            context.load_cert_chain(cert, key or None, password="")  # or OpenSSL would prompt
        except OSError as error:
            raise ConfigError(
                f"cannot load the client certificate {cert}: {words_of(error)}",
                hint="give PEM files, the key without a pass phrase",
            ) from None
    return context


def wrap(stream: socket, context: ssl.SSLContext, url: Url, deadline_s: float) -> ssl.SSLSocket:
    """Make the handshake; closes the stream where it fails.

    Raises:
        UnknownAuthority: the chain ends at no trusted authority.
        NotSent: any other failure.
    """
    try:
        stream.settimeout(remaining_s(deadline_s))
        return context.wrap_socket(
            stream,
            suppress_ragged_eofs=False,
            server_hostname=url.host.encode(),  # bytes: text would import the IDNA tables
        )
    except ssl.SSLCertVerificationError as error:
        stream.close()
        kind = UnknownAuthority if error.verify_code in _UNKNOWN_ISSUER else NotSent
        raise kind(
            f"the certificate of {url.peer} is refused: {error.verify_message}",
            hint="a private CA is given as CODEX_CA_CERTIFICATE=FILE",
        ) from None
    except OSError as error:
        stream.close()
        raise NotSent(f"no TLS with {url.peer}: {words_of(error)}") from None
    except BaseException:
        stream.close()
        raise
