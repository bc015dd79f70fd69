"""What a server's certificate says of itself: its names and its life. Pure."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address

from cryptography import x509

from fetchtoken.domain.errors import ConfigError, FetchTokenError, Unavailable

__all__ = ["WARN_DAYS", "Certificate", "read_chain"]

WARN_DAYS = 14
"""A renewal that works comes weeks earlier; this leaves time for a person."""

_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Certificate:
    """The server's own certificate, as far as clients judge it."""

    source: str
    """The file, for messages."""
    names: tuple[str, ...]
    """DNS names and addresses that it is for; a subject without these counts for nothing (RFC 9525 §6.3)."""
    begins_s: float
    ends_s: float

    @classmethod
    def of(cls, chain: list[x509.Certificate], source: str) -> "Certificate":
        """Return what the first certificate of a chain says."""
        first = chain[0]
        return cls(
            source,
            _names(first),
            first.not_valid_before_utc.timestamp(),
            first.not_valid_after_utc.timestamp(),
        )

    def covers(self, host: str) -> bool:
        """Tell whether it is for a host; ``*`` stands for one whole label, the first (RFC 9525 §6.3)."""
        host = host.lower().rstrip(".")
        return any(host == name or _matches(name, host) for name in self.names)

    def told(self, now_s: float) -> str:
        """Return names and end in a few words."""
        days = int((self.ends_s - now_s) // _DAY_S)
        return f"{', '.join(self.names) or 'no name'}, until {_day(self.ends_s)} ({days} days)"

    def problem(self, now_s: float, host: str = "") -> FetchTokenError | None:
        """Return what clients object to, or soon will.

        Args:
            now_s: epoch seconds.
            host: by which name clients reach it; empty: not known.
        """
        renew = "renew it; the broker takes the new files up by itself"
        if host and not self.covers(host):
            return ConfigError(
                f"{self.source} is for {', '.join(self.names) or 'no name'}, not for {host}",
                hint="get a certificate for the host of server.public_url, or correct that",
            )
        if now_s < self.begins_s:
            return Unavailable(
                f"{self.source} is not valid before {_day(self.begins_s)}", hint="mind the clock"
            )
        if now_s >= self.ends_s:
            return Unavailable(f"{self.source} expired on {_day(self.ends_s)}", hint=renew)
        days = int((self.ends_s - now_s) // _DAY_S)
        if days < WARN_DAYS:
            return Unavailable(f"{self.source} expires in {days} days, on {_day(self.ends_s)}", hint=renew)
        return None


def read_chain(pem: bytes, source: str) -> list[x509.Certificate]:
    """Return the certificates in a PEM text, in its order.

    Args:
        pem: what is in the file; keys in it are passed over.
        source: where it came from, for messages.

    Raises:
        ConfigError: there is none in it, or one that cannot be read.
    """
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise ConfigError(
            f"{source} holds no certificate in PEM form", hint="the server's own first, then its issuers'"
        ) from None


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    names = [name.lower() for name in found.get_values_for_type(x509.DNSName)]
    return (*names, *map(str, found.get_values_for_type(x509.IPAddress)))


def _matches(name: str, host: str) -> bool:
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        star, _, rest = name.partition(".")
        label, _, parent = host.partition(".")
        return star == "*" and "." in rest and bool(label) and parent == rest
    with suppress(ValueError):
        return address == ip_address(name)
    return False


def _day(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d")
