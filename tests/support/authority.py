"""A private certificate authority and the files that a server gets from it."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

__all__ = ["client_trusting", "ends_in", "write_pair"]


def write_pair(
    directory: Path,
    authority: trustme.CA,
    *names: str,
    not_before: datetime | None = None,
    not_after: datetime | None = None,
) -> tuple[Path, Path]:
    """Write ``tls.crt``, the authority at its end, and ``tls.key``, 0600; return their paths."""
    issued = authority.issue_cert(*names, not_before=not_before, not_after=not_after)
    directory.mkdir(parents=True, exist_ok=True)
    cert, key = directory / "tls.crt", directory / "tls.key"
    chain = [blob.bytes() for blob in issued.cert_chain_pems]
    cert.write_bytes(b"".join([*chain, authority.cert_pem.bytes()]))
    key.touch(mode=0o600)
    key.write_bytes(issued.private_key_pem.bytes())
    return cert, key


def ends_in(days: float) -> datetime:
    """Return a day from now."""
    return datetime.now(UTC) + timedelta(days=days)


def client_trusting(*authorities: trustme.CA) -> ssl.SSLContext:
    """Return a client's context that trusts these and nobody else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for authority in authorities:
        authority.configure_trust(context)
    return context
