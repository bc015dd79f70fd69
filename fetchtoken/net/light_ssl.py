"""The public ``ssl``, imported without what only its PEM converters need.

``ssl`` imports ``base64``, which imports ``re``: three quarters of a bare interpreter start, for
two functions that nobody here calls. While ``ssl`` is being imported a module stands in for
``base64`` that fetches the real one at the first use of any of its names, so whoever does call
those functions notices nothing.
"""

from __future__ import annotations

import sys

__all__ = ["ssl"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from types import ModuleType


def _import_ssl() -> ModuleType:
    if "base64" in sys.modules or "ssl" in sys.modules:
        import ssl

        return ssl
    stand_in = type(sys)("base64")
    stand_in.__getattr__ = _real  # type: ignore[method-assign] # PEP 562
    sys.modules["base64"] = stand_in
    try:
        import ssl
    finally:
        if sys.modules.get("base64") is stand_in:
            del sys.modules["base64"]
    return ssl


def _real(name: str) -> object:
    import base64

    return getattr(base64, name)


if not TYPE_CHECKING:
    ssl = _import_ssl()
