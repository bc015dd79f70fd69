"""The logins of one Codex home: its own ``auth.json``, and ``accounts/NAME.json`` beside it.

Other tools keep files in the same directory (``registry.json``, ``KEY.auth.json``, ``*.bak.*``,
locks, backups); they are nobody's accounts here, and are left alone. ``auth.json`` may be a link to
an account's file: that account is in use.
"""

from __future__ import annotations

import os

from fetchtoken.domain.names import is_name, is_neighbour

__all__ = ["account_file", "account_names", "default_file"]

_END = ".json"


def default_file(codex_home: str) -> str:
    """Return the path of the login that Codex itself uses."""
    return os.path.join(codex_home, "auth.json")


def account_file(codex_home: str, name: str) -> str:
    """Return the path of an account's file, whether it exists or not."""
    return os.path.join(codex_home, "accounts", name + _END)


def account_names(codex_home: str) -> list[str]:
    """Return the names that have a file or a link, sorted; none where the directory cannot be read."""
    try:
        entries = os.listdir(os.path.join(codex_home, "accounts"))
    except OSError:
        return []
    stems = (entry.removesuffix(_END) for entry in entries if entry.endswith(_END))
    return sorted(stem for stem in stems if is_name(stem) and not is_neighbour(stem))
