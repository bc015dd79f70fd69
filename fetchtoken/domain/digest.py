"""SHA-256 without the cost of importing ``hashlib``, which loads OpenSSL.

This is the only file that touches the interpreter's own module; where it is missing, the public
face is used, and a test holds both to the same answers.
"""

from __future__ import annotations

__all__ = ["sha256_hex"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hashlib import sha256
else:
    try:
        from _sha256 import sha256  # Python 3.11
    except ImportError:
        try:
            from _sha2 import sha256
        except ImportError:  # another interpreter than CPython
            from hashlib import sha256


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of some bytes as 64 hex digits."""
    return sha256(data).hexdigest()
