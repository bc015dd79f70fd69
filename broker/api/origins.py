"""Origins: whose page sends a form, and whose address a URL is. Pure."""

from collections.abc import Sequence
from urllib.parse import urlsplit

__all__ = ["is_own_page", "origin_of"]

_DEFAULT_PORTS = {"http": 80, "https": 443}


def origin_of(url: str) -> str:
    """Return the origin of a URL as browsers write it (RFC 6454 §6.2), or an empty text where it has none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        return ""
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    end = "" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{name}{end}"


def is_own_page(public_url: str, origins: Sequence[str], sites: Sequence[str]) -> bool:
    """Tell whether a form comes from a page of the broker's own, by the word of the browser.

    ``Origin`` must be there: every browser sends it with a form. ``Sec-Fetch-Site`` must agree where it is:
    older browsers, and those that take a plain http address for insecure, leave it out.

    Args:
        public_url: how clients reach the broker.
        origins: values of ``Origin``.
        sites: values of ``Sec-Fetch-Site``.
    """
    return bool(public_url) and list(origins) == [origin_of(public_url)] and set(sites) <= {"same-origin"}
