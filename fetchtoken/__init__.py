"""Resolve a valid OpenAI Codex access token from a file, a broker or another host.

``codex-fetchtoken`` is the command; ``get_token`` and ``aget_token`` are the same as a
library. Importing this package imports nothing else: start-up time is a feature.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fetchtoken.library import aget_token, get_token

__all__ = ["aget_token", "get_token"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Load the library functions on first use (PEP 562)."""
    if name in __all__:
        from fetchtoken import library

        return getattr(library, name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
