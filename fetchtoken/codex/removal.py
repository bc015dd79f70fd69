"""Take an auth file away, with all that leads to it and lies beside it."""

from __future__ import annotations

import os

from fetchtoken.codex.accounts import account_file, account_names, default_file
from fetchtoken.codex.local_attempt import Past, Verdict, put_aside, remove
from fetchtoken.files.atomic import fsync_dir, sweep

__all__ = ["remove_login"]


def remove_login(path: str, codex_home: str, past: Past) -> str:
    """Remove the links to an auth file, then the file, then what is known of its last exchange.

    In this order no kill leaves a link that leads nowhere, or a refresh token without its doubt.
    The caller holds the file's locks. Lock files stay: others may be waiting for them.

    Args:
        path: the file, or a link to it.
        codex_home: where links to it may be.
        past: its attempt file, judged.

    Returns:
        Where tokens of another login lie now that the attempt file held, or an empty string.

    Raises:
        OSError: something cannot be removed; what was not reached stands.
    """
    real = os.path.realpath(path)
    accounts = [account_file(codex_home, name) for name in account_names(codex_home)]
    sweep(real)
    # The default may lead here by way of an account: judged before that goes, and gone before it.
    links = [
        link
        for link in dict.fromkeys((default_file(codex_home), path, *accounts))
        if os.path.islink(link) and os.path.realpath(link) == real
    ]
    for link in links:
        remove(link)
    remove(real)
    attempt = real + ".attempt"
    if past.verdict is Verdict.FOREIGN and past.outcome is not None and past.outcome.tokens is not None:
        return put_aside(attempt)  # tokens are never dropped, even where no file wants them
    remove(attempt)
    fsync_dir(os.path.dirname(real))
    return ""
