from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fetchtoken.domain.errors import ConfigError
from fetchtoken.net.errors import BadAnswer
from fetchtoken.net.http1 import HEAD_LIMIT, AnswerParser, render_request


def parse(*pieces: bytes, clean: bool = True, max_body: int = 1000, bodiless: bool = False) -> AnswerParser:
    parser = AnswerParser(max_body, bodiless=bodiless)
    for piece in pieces:
        if parser.feed(piece):
            return parser
    parser.end(clean=clean)
    return parser


def test_request_bytes():
    """A request is rendered with its length, and asks for the connection to be closed."""
    data = render_request("POST", "/a?b", "h:1", {"Accept": "*/*"}, b"{}")
    assert data == (
        b"POST /a?b HTTP/1.1\r\nHost: h:1\r\nAccept: */*\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
    )


@pytest.mark.parametrize(
    ("method", "target", "host", "headers"),
    [
        ("GE T", "/", "h", {}),
        ("", "/", "h", {}),
        ("GET", "/ x", "h", {}),
        ("GET", "/\r\nX: y", "h", {}),
        ("GET", "", "h", {}),
        ("GET", "/", "h\r\nX: y", {}),
        ("GET", "/", "h", {"X\r\nY": "z"}),
        ("GET", "/", "h", {"": "z"}),
        ("GET", "/", "h", {"Authorization": "Bearer hunter2\r\nX: y"}),
        ("GET", "/", "h", {"Authorization": "Bearer hunter2\n"}),
        ("GET", "/", "h", {"Authorization": "hunter2\x00"}),
        ("GET", "/", "h", {"Authorization": "hunter2é"}),
    ],
)
def test_header_injection_is_refused(method, target, host, headers):
    """A part that would break out of its line is refused without being shown."""
    with pytest.raises(ConfigError) as caught:
        render_request(method, target, host, headers, b"")
    assert "hunter2" not in caught.value.message + caught.value.hint


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=12), max_size=3))
def test_what_is_rendered_holds_exactly_the_headers_given(headers):
    """No header value can make another header."""
    try:
        data = render_request("GET", "/", "h", headers, b"")
    except ConfigError:
        return
    lines = data.split(b"\r\n")
    assert lines[2:-3] == [f"{name}: {value}".encode() for name, value in headers.items()]


@pytest.mark.parametrize(
    ("data", "status", "body", "complete"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, b"hi", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi and more", 200, b"hi", True),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, b"", True),
        (b"HTTP/1.0 200 OK\r\n\r\nhi", 200, b"hi", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", 200, b"hi", False),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, b"", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
        (
            b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
            200,
            b"x",
            True,
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nhi\r\n1\r\n!\r\n0\r\n\r\n",
            200,
            b"hi!",
            True,
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nT: x\r\n\r\n", 200, b"", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", 200, b"hi", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi!\r\n0\r\n\r\n", 200, b"hi", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+2\r\nhi\r\n0\r\n\r\n", 200, b"", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 2000, 200, b"", False),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
            200,
            b"x",
            True,
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nhi", 200, b"hi", True),
    ],
)
def test_framing(data, status, body, complete):
    """The body ends where RFC 9112 §6.3 says; a broken end leaves it incomplete."""
    for pieces in ([data], [data[i : i + 1] for i in range(len(data))]):
        parser = parse(*pieces)
        assert (parser.status, bytes(parser.body), parser.complete) == (status, body, complete)


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 999 Odd\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nNo colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\x00\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * HEAD_LIMIT,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 4000,
    ],
)
def test_broken_heads(data):
    """A head that is not HTTP/1, or never ends, is a BadAnswer."""
    with pytest.raises(BadAnswer):
        parse(data)


def test_repeated_headers_are_joined_and_lower_cased():
    """Headers come out by lower-case name, repeated ones joined by a comma (RFC 9110 §5.3)."""
    parser = parse(b'HTTP/1.1 200 OK\r\nETag:\t"a" \r\nVary: a\r\nvary: b\r\nContent-Length: 0\r\n\r\n')
    assert parser.headers == {"etag": '"a"', "vary": "a, b", "content-length": "0"}


def test_too_long_a_body_is_cut_and_incomplete():
    """A body beyond the limit is kept up to it and never counts as whole, however it is framed."""
    heads = [b"Content-Length: 9\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n9\r\n", b"\r\n"]
    for head in heads:
        parser = parse(b"HTTP/1.1 200 OK\r\n" + head + b"123456789\r\n0\r\n\r\n", max_body=4)
        assert (bytes(parser.body), parser.complete) == (b"1234", False)


def test_a_body_until_close_needs_a_clean_close():
    """Where only the close ends a body, a reset leaves it incomplete."""
    assert parse(b"HTTP/1.1 200 OK\r\n\r\nhi", clean=True).complete
    assert not parse(b"HTTP/1.1 200 OK\r\n\r\nhi", clean=False).complete


def test_the_answer_to_head_and_connect_has_no_body():
    """Such an answer is whole with its head, whatever length it names (RFC 9112 §6.3)."""
    parser = parse(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", bodiless=True)
    assert (parser.status, parser.complete) == (200, True)


_LINES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 100 Continue",
        b"HTTP/1.0 503 x",
        b"Content-Length: 3",
        b"Transfer-Encoding: chunked",
        b"",
        b"3",
        b"abc",
        b"0",
        b"Set-Cookie: a",
        b"\xff",
        b":",
    ]
)
_ANSWERS = st.one_of(
    st.binary(max_size=200),
    st.lists(_LINES, max_size=12).map(b"\r\n".join),
    st.lists(_LINES, max_size=8).map(lambda lines: b"HTTP/1.1 200 OK\r\n" + b"\r\n".join(lines)),
)


def outcome(pieces: list[bytes], *, clean: bool) -> tuple[object, ...]:
    try:
        parser = parse(*pieces, clean=clean, max_body=64)
    except BadAnswer:
        return ("bad",)
    return parser.status, bytes(parser.body), parser.complete, parser.headers


@given(_ANSWERS, st.lists(st.integers(0, 200), max_size=8), st.booleans())
@example(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", [47, 48, 50], True)  # noqa: FBT003 - positional for hypothesis
def test_any_bytes_in_any_pieces(data, cuts, clean):
    """Only BadAnswer is raised, and how the bytes were cut makes no difference."""
    edges = sorted({0, *(min(cut, len(data)) for cut in cuts), len(data)})
    pieces = [data[a:b] for a, b in pairwise(edges)]
    whole, cut = outcome([data], clean=clean), outcome(pieces, clean=clean)
    if whole != ("bad",) and cut != ("bad",):
        assert whole == cut


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=6))
def test_every_prefix_of_a_chunked_answer_is_incomplete(chunks):
    """Nothing short of the last byte counts as a whole body."""
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    data += b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    assert bytes(parse(data).body) == b"".join(chunks)
    for end in range(len(data)):
        assert not parse(data[:end]).complete
