import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetchtoken.domain.errors import ConfigError
from fetchtoken.net.url import is_loopback, parse_url


@pytest.mark.parametrize(
    ("text", "host", "port", "path", "authority"),
    [
        ("https://token.example/codex", "token.example", 443, "/codex", "token.example"),
        ("HTTPS://Token.Example", "token.example", 443, "/", "token.example"),
        ("http://127.0.0.1:7455/codex/", "127.0.0.1", 7455, "/codex/", "127.0.0.1:7455"),
        ("http://[::1]:7455?a=b", "::1", 7455, "/?a=b", "[::1]:7455"),
        ("https://h:443/A%20b?x=/y", "h", 443, "/A%20b?x=/y", "h"),
    ],
)
def test_parts_of_http_urls(text, host, port, path, authority):
    """Scheme and host are lower-cased, defaults filled in, path and query left as they are."""
    url = parse_url(text)
    assert (url.host, url.port, url.path, url.authority) == (host, port, path, authority)


@pytest.mark.parametrize(
    ("text", "socket_path", "path"),
    [
        ("unix:/run/broker.sock", "/run/broker.sock", "/"),
        ("unix:///run/broker.sock", "/run/broker.sock", "/"),
        ("unix:/run/broker.sock:/codex?min_valid=1", "/run/broker.sock", "/codex?min_valid=1"),
    ],
)
def test_parts_of_unix_urls(text, socket_path, path):
    """A unix URL is a socket's path and, after ``:/``, a request target."""
    url = parse_url(text)
    assert (url.socket_path, url.path, url.authority, url.is_local) == (socket_path, path, "localhost", True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "token.example",
        "ftp://token.example/",
        "https:token.example",
        "https:///codex",
        "https://user:hunter2@token.example/",
        "https://hunter2@token.example/",
        "https://h/#fragment",
        "https://h:0/",
        "https://h:65536/",
        "https://h:8o/",
        "https://h/a b",
        "https://h/a\r\nX: y",
        "https://h/\x00",
        "https://hé/",
        "https://h\\@evil/",
        "https://[::1/",
        "https://[nonsense]/",
        "https://a..b/",
        "unix:relative.sock",
        "unix:",
        "unix:/",
    ],
)
def test_refused_urls(text):
    """What is no plain absolute URL is refused, and the message does not repeat it."""
    with pytest.raises(ConfigError) as caught:
        parse_url(text, "CODEX_REMOTE_URL")
    assert caught.value.message.startswith("CODEX_REMOTE_URL ")
    assert "hunter2" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("host", ["localhost", "::1", "127.0.0.1", "127.255.0.9"])
def test_loopback(host):
    """These only ever mean this machine."""
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["localhost.example", "127.0.0.1.example", "127.1", "128.0.0.1", "127.0.0.256", "::2", "127.0.0.x", ""],
)
def test_not_loopback(host):
    """What may be looked up elsewhere, or is written oddly, does not count as this machine."""
    assert not is_loopback(host)


@given(st.one_of(st.text(), st.text().map("https://".__add__), st.text().map("unix:".__add__)))
def test_any_text_parses_or_is_a_configuration_error(text):
    """Nothing but ConfigError comes out, and what parses renders to something that parses the same."""
    try:
        url = parse_url(text)
    except ConfigError:
        return
    assert str(parse_url(str(url))) == str(url)
