"""The text of what a broker hands out: ``<kind>_<id>_<secret><checksum>``.

``cbk`` is a client's API key, ``cbr`` a machine credential, ``cbi`` an invite code. The id finds the
row, the secret proves it, and the checksum tells a mistyped or cut text, and a secret scanner, without
asking anybody. Both programs judge the shape; only the broker knows what is behind it.
"""

from binascii import crc32

__all__ = ["ID_BYTES", "SECRET_BYTES", "checksum", "id_of", "key_text"]

ID_BYTES = 8
SECRET_BYTES = {"cbk": 32, "cbr": 32, "cbi": 16}
"""Random bytes of the secret, by kind."""

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ALLOWED = frozenset(_ALPHABET)
_CHARS = {8: 11, 16: 22, 32: 43}
"""Base-62 digits that hold so many bytes."""
_CHECK_CHARS = 6


def key_text(kind: str, key_id: bytes, secret: bytes) -> str:
    """Return the whole text.

    Args:
        kind: one of :data:`SECRET_BYTES`.
        key_id: :data:`ID_BYTES` bytes.
        secret: as many bytes as the kind has.
    """
    body = f"{kind}_{_base62(key_id)}_{_base62(secret)}"
    return body + checksum(body)


def id_of(text: str, kind: str) -> str:
    """Return the id in a text of that kind, or an empty string where shape or checksum is wrong."""
    id_chars, secret_chars = _CHARS[ID_BYTES], _CHARS[SECRET_BYTES[kind]]
    if len(text) != 3 + 1 + id_chars + 1 + secret_chars + _CHECK_CHARS or not text.startswith(kind + "_"):
        return ""
    key_id, line, rest = text[4 : 4 + id_chars], text[4 + id_chars], text[5 + id_chars :]
    if line != "_" or not _ALLOWED.issuperset(key_id) or not _ALLOWED.issuperset(rest):
        return ""
    return key_id if checksum(text[:-_CHECK_CHARS]) == text[-_CHECK_CHARS:] else ""


def checksum(body: str) -> str:
    """Return what stands at the end of a text, made from all before it."""
    return _digits(crc32(body.encode()), _CHECK_CHARS)


def _base62(data: bytes) -> str:
    return _digits(int.from_bytes(data, "big"), _CHARS[len(data)])


def _digits(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
