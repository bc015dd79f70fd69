"""Names of accounts, clients and profiles."""

from fetchtoken.domain.errors import ConfigError

__all__ = ["check_name", "is_name", "is_neighbour"]

_FIRST = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_REST = _FIRST | frozenset("._@+-")
_RESERVED = frozenset({"device"})


def is_name(text: str) -> bool:
    """Tell whether a text is ``[a-z0-9][a-z0-9._@+-]{0,63}`` and not reserved."""
    return 0 < len(text) <= 64 and text[0] in _FIRST and _REST.issuperset(text) and text not in _RESERVED


def is_neighbour(name: str) -> bool:
    """Tell whether ``accounts/NAME.json`` is another tool's file: its registry, copy or backup."""
    return name == "registry" or name.endswith(".auth") or ".bak." in f"{name}."


def check_name(text: str, what: str) -> str:
    """Return the name, or raise.

    Args:
        text: the name as given.
        what: the kind of thing it names, for the message: ``account``, ``client``, ``profile``.

    Raises:
        ConfigError: it is no name.
    """
    if is_name(text):
        return text
    reason = "is reserved" if text in _RESERVED else "is not allowed"
    raise ConfigError(
        f"{what} name {text[:80]!r} {reason}",
        hint="use 1 to 64 of a-z 0-9 . _ @ + -, starting with a letter or digit",
    )
