"""HTTP/1.1 as bytes (RFC 9112): one request rendered, one answer parsed. No I/O."""

from fetchtoken.domain.errors import ConfigError
from fetchtoken.net.errors import BadAnswer

__all__ = ["AnswerParser", "render_request"]

HEAD_LIMIT = 64 * 1024
"""Most bytes of status line and headers, interim answers included."""

_LINE_LIMIT = 1024
"""Longest chunk-size line; nobody sends extensions."""

_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_HEX = frozenset(b"0123456789abcdefABCDEF")
_DIGITS = frozenset(b"0123456789")

_HEAD, _FIXED, _SIZE, _DATA, _DATA_END, _TRAILER, _UNTIL_CLOSE, _DONE = range(8)


def render_request(method: str, target: str, host: str, headers: dict[str, str], body: bytes) -> bytes:
    """Render a request with ``Host``, ``Connection: close`` and, for a body, its length.

    Args:
        method: a token such as ``GET``.
        target: path and query, or ``host:port`` for CONNECT.
        host: the value of ``Host``.
        headers: further headers; a value may not hold control characters.
        body: the whole body.

    Raises:
        ConfigError: a part would break out of its place; names the header, never its value.
    """
    if not method or not _TOKEN.issuperset(method.encode("ascii", "replace")):
        raise ConfigError("the request method is not an HTTP token")
    lines = [f"{method} {_visible(target, 'target')} HTTP/1.1", f"Host: {_visible(host, 'Host')}"]
    for name, value in headers.items():
        if not name or not _TOKEN.issuperset(name.encode("ascii", "replace")):
            raise ConfigError("a header name is not an HTTP token")
        if any((c < " " and c != "\t") or not "\t" <= c < "\x7f" for c in value):
            raise ConfigError(
                f"the value for header {name} holds a character that HTTP cannot carry",
                hint="look for a line break or a non-ASCII character in the key",
            )
        lines.append(f"{name}: {value}")
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    if method != "CONNECT":
        lines.append("Connection: close")
    return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + body


def _visible(text: str, what: str) -> str:
    if text and all("!" <= c <= "~" for c in text):
        return text
    raise ConfigError(
        f"the request's {what} holds a character that HTTP cannot carry", hint="correct the URL"
    )


class AnswerParser:
    """Takes an answer's bytes as they come.

    Interim answers (1xx) are skipped. The body is framed by RFC 9112 §6.3. Where the framing
    breaks inside the body, or the body is longer than allowed, what came so far is kept and
    :attr:`complete` stays false; only a broken head raises.

    Args:
        max_body: most bytes of body.
        bodiless: the answer to HEAD or CONNECT: nothing follows the head.
    """

    __slots__ = (
        "_bodiless",
        "_buffer",
        "_head_bytes",
        "_left",
        "_max_body",
        "_searched",
        "_state",
        "body",
        "complete",
        "headers",
        "status",
    )

    def __init__(self, max_body: int, *, bodiless: bool = False) -> None:
        self._bodiless = bodiless
        self._buffer = bytearray()
        self._head_bytes = 0
        self._left = 0
        self._max_body = max_body
        self._searched = 0
        self._state = _HEAD
        self.body = bytearray()
        self.complete = False
        self.headers: dict[str, str] = {}
        self.status = 0
        """0 until the final head is whole."""

    def feed(self, data: bytes) -> bool:
        """Take more bytes; return whether nothing more needs to be read.

        Raises:
            BadAnswer: the head is not HTTP/1 or too long.
        """
        self._buffer += data
        while self._state != _DONE and self._step():
            pass
        return self._state == _DONE

    def end(self, *, clean: bool) -> None:
        """Say that the peer closed; ``clean`` is false for a reset or a TLS end without notice."""
        if self._state == _UNTIL_CLOSE and clean:
            self.complete = True
        self._state = _DONE

    def _step(self) -> bool:
        """Do one thing; return whether another may follow."""
        state = self._state
        if state == _HEAD:
            return self._head()
        if state in (_FIXED, _DATA, _UNTIL_CLOSE):
            return self._data(state)
        return self._chunk_line(state)

    def _torn(self) -> bool:
        self._state = _DONE
        return False

    def _whole(self) -> bool:
        self.complete = True
        self._state = _DONE
        return False

    def _data(self, state: int) -> bool:
        buffer = self._buffer
        take = len(buffer) if state == _UNTIL_CLOSE else min(self._left, len(buffer))
        room = self._max_body - len(self.body)
        self.body += buffer[: min(take, room)]
        if take > room:
            return self._torn()
        del buffer[:take]
        if state == _UNTIL_CLOSE:
            return False
        self._left -= take
        if self._left:
            return False
        if state == _FIXED:
            return self._whole()
        self._state = _DATA_END
        return True

    def _chunk_line(self, state: int) -> bool:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            return self._torn() if len(self._buffer) > _LINE_LIMIT else False
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        if state == _DATA_END:
            self._state = _SIZE
            return self._torn() if line else True
        if state == _TRAILER:
            self._head_bytes += end + 2
            if not line:
                return self._whole()
            return self._torn() if self._head_bytes > HEAD_LIMIT else True
        digits = line.partition(b";")[0].rstrip(b" \t")
        if not 0 < len(digits) <= 8 or not _HEX.issuperset(digits):
            return self._torn()
        self._left = int(digits, 16)
        self._state = _DATA if self._left else _TRAILER
        return True

    def _head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n", self._searched)
        size = end + 4 if end >= 0 else len(self._buffer)
        if self._head_bytes + size > HEAD_LIMIT:
            raise BadAnswer("the answer's headers are too long")
        if end < 0:
            self._searched = max(0, size - 3)
            start = bytes(self._buffer[:5])
            if not b"HTTP/".startswith(start):
                raise BadAnswer("the answer is not HTTP")
            return False
        self._head_bytes += size
        self._searched = 0
        lines = bytes(self._buffer[:end]).split(b"\r\n")
        del self._buffer[:size]
        status = _status(lines[0])
        headers = _headers(lines[1:])
        if status == 101:
            raise BadAnswer("the answer switches to a protocol that was not asked for")
        if status >= 200:
            self._frame(status, headers)
        return True

    def _frame(self, status: int, headers: dict[str, str]) -> None:
        """Decide where the body ends."""
        coding = headers.get("transfer-encoding", "").lower()
        if self._bodiless or status in (204, 304):
            self._whole()
        elif coding:
            if coding != "chunked":
                raise BadAnswer("the answer's transfer coding is not chunked")
            self._state = _SIZE
        elif "content-length" in headers:
            self._left = _length(headers["content-length"])
            self._state = _FIXED
        else:
            self._state = _UNTIL_CLOSE
        self.status = status
        self.headers = headers


def _status(line: bytes) -> int:
    version, _, rest = line.partition(b" ")
    digits = rest[:3]
    good = version in (b"HTTP/1.1", b"HTTP/1.0") and len(digits) == 3 and _DIGITS.issuperset(digits)
    if not good or rest[3:4] not in (b"", b" ") or not 100 <= int(digits) < 600:
        raise BadAnswer("the answer has no proper status line")
    return int(digits)


def _headers(lines: list[bytes]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        raw_name, colon, raw_value = line.partition(b":")
        if not colon or not raw_name or not _TOKEN.issuperset(raw_name):
            raise BadAnswer("the answer has a broken header")
        if b"\0" in raw_value or b"\r" in raw_value or b"\n" in raw_value:
            raise BadAnswer("the answer has a control character in a header")
        name = raw_name.decode("ascii").lower()
        value = raw_value.strip(b" \t").decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _length(value: str) -> int:
    values = {part.strip() for part in value.split(",")}
    digits = values.pop()
    if values or not digits.isascii() or not digits.isdigit() or len(digits) > 15:
        raise BadAnswer("the answer has no proper length")
    return int(digits)
