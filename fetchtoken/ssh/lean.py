"""Import asyncssh without what a token does not need: a quarter of what it costs otherwise."""

from __future__ import annotations

import ctypes.util
import gc
import sys

__all__ = ["import_asyncssh"]

_COSTLY = frozenset({"liboqs", "libnettle", "libnettle-6", "nettle", "oqs"})
"""C libraries for unusual algorithms; to find each of them, other programs are started."""

_X509 = "asyncssh.crypto.x509"
"""Certificates of another kind than OpenSSH's; asyncssh goes on without them."""


def import_asyncssh() -> None:
    """Import asyncssh, unless somebody has: then it is as they want it.

    Within another program than the command X.509 stays, for the program's own connections.
    """
    if "asyncssh" in sys.modules:
        return
    find_library = ctypes.util.find_library
    collects = gc.isenabled()
    alone = "fetchtoken.entry" in sys.modules
    ctypes.util.find_library = lambda name: None if name in _COSTLY else find_library(name)
    gc.disable()  # nothing of what is made here is ever garbage
    if alone:
        sys.modules[_X509] = None  # type: ignore[assignment]  # the import system's way of saying: not there
    try:
        import asyncssh  # noqa: F401 - for everybody else
    finally:
        ctypes.util.find_library = find_library
        if alone:
            del sys.modules[_X509]
        if collects:
            gc.enable()
