"""JSON for the hot path: the interpreter's C scanner without the cost of importing ``json``.

``json`` imports ``re``, which costs two thirds of a bare interpreter start. The scanner and
the string encoder behind it are C and free. This is the only file that touches a private
module; where it is missing, the public face is used, and a test holds both to the same answers.
"""

__all__ = ["dumps", "loads"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_SPACE = " \t\n\r"
_WORDS = {None: "null", True: "true", False: "false"}


def _reject_constant(name: str) -> object:
    message = f"{name} is not JSON"
    raise ValueError(message)


class _Context:
    """What the C scanner asks its decoder for."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = staticmethod(_reject_constant)
    memo: dict[str, str] = {}  # noqa: RUF012 - the scanner clears it after each document


def _public_loads(text: str) -> object:
    import json

    return json.loads(text, parse_constant=_reject_constant)


try:
    from _json import encode_basestring_ascii as _quote
    from _json import make_scanner as _make_scanner
except ImportError:  # another interpreter than CPython
    _scan: "Callable[[str, int], tuple[object, int]] | None" = None

    def _quote(text: str, /) -> str:
        import json

        return json.dumps(text)
else:
    _scan = _make_scanner(_Context)  # type: ignore[arg-type]  # C takes any decoder


def loads(text: str) -> object:
    """Parse one JSON document.

    Args:
        text: the document; surrounding white space is allowed, anything else is not.

    Raises:
        ValueError: it is not JSON (RFC 8259), or nested too deeply.
    """
    try:
        if _scan is None:
            return _public_loads(text)
        start = 0
        end = len(text)
        while start < end and text[start] in _SPACE:
            start += 1
        value, stop = _scan(text, start)
        while stop < end and text[stop] in _SPACE:
            stop += 1
    except (StopIteration, SystemError):
        # Until Python 3.12 the scanner looks for its own error class in json.decoder, which nobody here
        # imports, and fails without an exception: the interpreter makes that a SystemError.
        message = "not JSON"
        raise ValueError(message) from None
    except RecursionError:
        message = "JSON nested too deeply"
        raise ValueError(message) from None
    if stop != end:
        message = "more text after the JSON document"
        raise ValueError(message)
    return value


def dumps(value: object, *, indent: int = 0) -> str:
    """Render ``None``, booleans, numbers, strings, lists and dicts with string keys.

    Args:
        value: what to render; any other type raises ``TypeError``.
        indent: spaces for each level; 0 writes one line.

    Raises:
        ValueError: it is nested too deeply, or holds NaN.
    """
    try:
        return _render(value, indent, 0)
    except RecursionError:
        message = "nested too deeply for JSON"
        raise ValueError(message) from None


def _render(value: object, indent: int, depth: int) -> str:
    if value is None or value is True or value is False:
        return _WORDS[value]
    if isinstance(value, str):
        return _quote(value)
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, dict):
        colon = ": " if indent else ":"
        parts = [_quote(key) + colon + _render(item, indent, depth + 1) for key, item in value.items()]
        brackets = "{}"
    elif isinstance(value, (list, tuple)):
        parts = [_render(item, indent, depth + 1) for item in value]
        brackets = "[]"
    else:
        message = f"cannot render {type(value).__name__} as JSON"
        raise TypeError(message)
    if not parts:
        return brackets
    if not indent:
        return brackets[0] + ",".join(parts) + brackets[1]
    inner = "\n" + " " * indent * (depth + 1)
    outer = "\n" + " " * indent * depth
    return brackets[0] + inner + ("," + inner).join(parts) + outer + brackets[1]


def _float(value: float) -> str:
    """Render a float; infinity as the overflowing number from which it was read."""
    if value - value == 0:
        return float.__repr__(value)
    if value != value:  # noqa: PLR0124 - only NaN differs from itself
        message = "NaN is not JSON"
        raise ValueError(message)
    return "1e999" if value > 0 else "-1e999"
