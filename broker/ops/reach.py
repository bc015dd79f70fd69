"""How other machines reach this broker: its address, and the pin of a certificate that is its own."""

import ssl
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from fetchtoken.domain.errors import ConfigError
from fetchtoken.net.url import is_loopback

__all__ = ["Reach", "pin_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What an invite must tell a machine."""

    public_url: str
    """The setting ``server.public_url``, or an empty text."""
    local_url: str
    """Where a running daemon listens on a loopback address, else an empty text."""
    certificate: Path | None
    """What the broker itself serves TLS with (PEM, leaf first), if it does."""

    def url(self) -> str:
        """Return the address to join.

        Raises:
            ConfigError: nobody can know it, or no machine would send a code there.
        """
        if not self.public_url:
            if self.local_url:
                return self.local_url
            raise ConfigError(
                "server.public_url is not set, so nobody knows where to join",
                hint='set it in broker.toml: [server] public_url = "https://…"; or start the daemon, to try'
                " it on this machine",
            )
        host = urlsplit(self.public_url).hostname or ""
        if self.public_url.startswith("http:") and not is_loopback(host):
            raise ConfigError(
                f"server.public_url {self.public_url} is plain http: no machine sends a code there",
                hint="set it to the https:// address",
            )
        return self.public_url

    def login_url(self) -> str:
        """Return the address to which the Codex CLI logs in.

        Raises:
            ConfigError: the broker has not been told it, or it is one to which nobody should send a code.
        """
        if not self.public_url:
            raise ConfigError(
                "server.public_url is not set, and without it there is no device login",
                hint='set it in broker.toml: [server] public_url = "https://…"',
            )
        return self.url()

    @property
    def is_local(self) -> bool:
        """Whether only this machine can join."""
        return not self.public_url

    def pin(self) -> str:
        """Return the SHA-256 by which a private certificate is known, or an empty text.

        Raises:
            ConfigError: the certificate cannot be read.
        """
        if self.certificate is None or not self.url().startswith("https:"):
            return ""
        return pin_of(self.certificate)


def pin_of(certificate: Path) -> str:
    """Return the SHA-256 of a chain's last certificate in hex; empty where its issuer is generally known.

    Args:
        certificate: a PEM file, the server's own certificate first.

    Raises:
        ConfigError: it cannot be read, or holds none.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        chain = x509.load_pem_x509_certificates(certificate.read_bytes())
    except (OSError, ValueError):
        raise ConfigError(f"tls.cert {certificate} cannot be read", hint="give a PEM file") from None
    top = chain[-1]
    issuer = top.issuer.public_bytes()
    # A root names itself, so its name is looked for in its bytes: not every old root can be parsed.
    if any(issuer in known for known in ssl.create_default_context().get_ca_certs(binary_form=True)):
        return ""
    return sha256(top.public_bytes(Encoding.DER)).hexdigest()
