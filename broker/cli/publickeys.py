"""Read the public keys that ``client add --ssh-key`` was given; what is in them is judged by the broker."""

import sys
from pathlib import Path

from fetchtoken.files.guard import read_text

__all__ = ["read_public_keys"]


def read_public_keys(source: str) -> dict[str, str]:
    """Return the text of an SSH public key file with its path.

    Args:
        source: a file, or ``-``.

    Raises:
        NotFound: there is none.
        Malformed: it is no text file.
    """
    if source == "-":
        return {"text": sys.stdin.read(), "path": "standard input"}
    path = Path(source).expanduser().absolute()
    return {"text": read_text(str(path), private=False), "path": str(path)}
