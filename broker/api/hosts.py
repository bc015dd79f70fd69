"""Which ``Host`` headers are ours: the public name, and this machine's own names. Pure."""

from urllib.parse import urlsplit

__all__ = ["is_known_host", "known_hosts"]

_DEFAULT_PORTS = {"http": 80, "https": 443}


def known_hosts(public_url: str, port: int) -> frozenset[str]:
    """Return the ``Host`` values to accept; none where there is no public URL: all are accepted then.

    The loopback names stay in for health checks on the machine itself: no foreign page can make
    a browser send them.

    Args:
        public_url: the setting ``server.public_url``, or an empty text.
        port: where the daemon listens.
    """
    if not public_url:
        return frozenset()
    parts = urlsplit(public_url)
    name = parts.hostname or ""
    name = f"[{name}]" if ":" in name else name
    default = _DEFAULT_PORTS.get(parts.scheme)
    public = {f"{name}:{parts.port or default}"}
    if parts.port in (None, default):
        public.add(name)
    return frozenset(public | {f"{local}:{port}" for local in ("127.0.0.1", "[::1]", "localhost")})


def is_known_host(value: str | None, known: frozenset[str]) -> bool:
    """Tell whether a ``Host`` header is one of ours (RFC 9110 §7.2: names know no case)."""
    if not known:
        return True
    if value is None:
        return False
    value = value.strip().lower()
    if value.startswith("["):
        return value in known
    name, colon, port = value.partition(":")
    return name.rstrip(".") + colon + port in known
