"""A string that does not print itself."""

__all__ = ["Secret"]


class Secret:
    """Holds a secret text; only :meth:`reveal` gives it out.

    ``str``, ``repr`` and ``format`` show dots, pickling and copying into JSON fail, so a log
    line, a traceback or a mistaken f-string shows nothing. An empty secret is falsy.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself. Every call is a place to review."""
        return self._text

    def fingerprint(self) -> str:
        """Return 16 hex digits of SHA-256, to recognise a token without showing it."""
        from hashlib import sha256

        return sha256(self._bytes()).hexdigest()[:16]

    def _bytes(self) -> bytes:
        # JSON can bring lone surrogates, at which a plain ``encode`` would raise and quote the text.
        return self._text.encode("utf-8", "surrogatepass")

    def __repr__(self) -> str:
        return "Secret('…')" if self._text else "Secret('')"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        """Compare in constant time with another secret; anything else is unequal."""
        if not isinstance(other, Secret):
            return NotImplemented
        from hmac import compare_digest

        return compare_digest(self._bytes(), other._bytes())

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> str:
        message = "a Secret cannot be pickled or copied"
        raise TypeError(message)
