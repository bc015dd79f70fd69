"""Blank secrets in whatever is about to be logged: by type, by key name and by shape.

Three nets, because each has holes. A :class:`Secret` shows nothing by itself. A value under a
telling key is blanked whatever it looks like. A text is searched for what our secrets look like,
since exception messages and the ``repr`` of aiohttp's errors carry whole headers.
"""

import re
from collections.abc import Mapping

from fetchtoken.domain.secret import Secret

__all__ = ["BLANK", "redact", "redact_text"]

BLANK = "***"
"""What stands where a secret stood."""

_DEEPEST = 8
_NAMES = frozenset(
    {
        "apikey",
        "authorization",
        "bearer",
        "body",
        "cookie",
        "credentials",
        "passphrase",
        "password",
        "passwd",
        "proxy_authorization",
        "secret",
        "set_cookie",
        "token",
    }
)
_ENDINGS = (
    "_api_key",
    "_code_verifier",
    "_passphrase",
    "_password",
    "_secret",
    "_token",
    "api_key",
    "code_verifier",
    "master_key",
    "private_key",
)
_WORDS = (
    r"(?:[\w-]*(?:access|refresh|id|csrf)[_-]token|[\w-]*client[_-]secret|[\w-]*password|passwd|passphrase"
    r"|[\w-]*api[_-]?key|[\w-]*master[_-]key|code[_-]verifier|authorization|cookie)"
)
_SHAPES = tuple(
    (re.compile(pattern, flags), blank)
    for pattern, flags, blank in (
        # API keys, machine credentials, invite codes, refresh tokens, personal access tokens, OpenAI keys
        (r"(?<![A-Za-z0-9])(?:cb[kri]_|rt[_.])[A-Za-z0-9._~+/=-]{4,}", 0, BLANK),
        (r"(?<![A-Za-z0-9])(?:at|sess|sk)-[A-Za-z0-9._-]{16,}", 0, BLANK),
        # JSON Web Tokens, whole or cut off
        (r"eyJ[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_=-]*)*", 0, BLANK),
        (r"\b(bearer|basic)(\s+)[A-Za-z0-9._~+/=-]+", re.IGNORECASE, r"\1\2" + BLANK),
        # a telling name with its value, in a header, a query, a repr or JSON inside a text
        (
            rf"\b({_WORDS})(\\*[\"']?\s*[:=]\s*b?\\*[\"']?)(?!(?:bearer|basic)\s)[^\s\"'&,;}})\]>\\]+",
            re.IGNORECASE,
            r"\1\2" + BLANK,
        ),
        # user:password@ in a URL
        (r"(://)[^/\s@\"']+@", 0, r"\1" + BLANK + "@"),
        # what SQLAlchemy and pydantic add to their messages
        (r"\[parameters: .*", re.DOTALL, f"[parameters: {BLANK}]"),
        (r"input_value=.*?(?=, input_type=|\Z)", re.DOTALL, f"input_value={BLANK}"),
    )
)


def redact_text(text: str) -> str:
    """Return the text with everything that has the shape of a secret blanked."""
    for shape, blank in _SHAPES:
        text = shape.sub(blank, text)
    return text


def _is_telling(name: str) -> bool:
    name = name.lower().replace("-", "_")
    return name in _NAMES or name.endswith(_ENDINGS)


def redact(value: object, *, _depth: int = 0) -> object:
    """Return a copy that holds only plain JSON types and no secret.

    Args:
        value: anything; what is no JSON type becomes its ``repr``, searched like any text.
    """
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return redact_text(value)
    if _depth >= _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {redact_text(str(key)): _item(key, item, _depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redact(item, _depth=_depth + 1) for item in value]
    return BLANK if isinstance(value, Secret) else redact_text(_shown(value))


def _item(key: object, value: object, depth: int) -> object:
    if isinstance(key, str) and value and not isinstance(value, bool) and _is_telling(key):
        return BLANK
    return redact(value, _depth=depth)


def _shown(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - a broken repr must not lose the log line
        return f"<{type(value).__name__}>"
