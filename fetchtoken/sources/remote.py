"""The remote source: a token from the broker, or the copy that it last gave out."""

from __future__ import annotations

import time

from fetchtoken.sources.cache import cache_file, lives, read_copy

__all__ = ["fetch"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fetchtoken.domain.token import Token
    from fetchtoken.settings import Settings
    from fetchtoken.sources.request import Request


def fetch(settings: Settings, request: Request) -> Token:
    """Return a token that lives at least ``request.min_valid_s`` seconds (and six minutes).

    A copy is served without contact for ``cache_max_age_s``; then the broker is asked, and where
    it cannot be reached the copy is served with a note. ``no_cache`` and ``force_refresh`` bypass
    the copy.

    Raises:
        ConfigError: no account is named where one must be, or the URL or a certificate file is unusable.
        LoginRequired: the broker says that a person must log in.
        NotFound: it knows no such account.
        Unavailable: it cannot be reached, or cannot give such a token now.
        Denied: it refuses the key; the copy is deleted.
        Malformed: it answers nonsense, or leads elsewhere.
        Unsafe: plain http to another machine, or a key file that others can read.
    """
    key = settings.api_key
    path = cache_file(settings, request.account, key)
    bypass = request.no_cache or request.force_refresh
    copy = None if bypass else read_copy(path)
    now_s = time.time()
    if (
        copy is not None
        and copy.is_recent(settings.cache_max_age_s, now_s)
        and lives(copy.token, request, now_s)
    ):
        return copy.token
    from fetchtoken.sources.remote_ask import ask

    return ask(settings, request, key, path, copy)
