import pytest

from fetchtoken.domain.errors import ConfigError
from fetchtoken.net.proxy import proxy_for
from fetchtoken.net.url import parse_url

PEER = parse_url("https://token.example:8443/codex")


def chosen(environ, url=PEER):
    proxy = proxy_for(url, environ)
    return proxy and proxy.peer


def test_the_variables_in_their_order():
    """HTTPS_PROXY, then https_proxy, then ALL_PROXY; HTTP_PROXY is for somebody else."""
    assert chosen({}) is None
    assert chosen({"HTTP_PROXY": "http://a:1"}) is None
    assert chosen({"ALL_PROXY": "http://a:1"}) == "a:1"
    assert chosen({"ALL_PROXY": "http://a:1", "https_proxy": "b:2"}) == "b:2"
    assert chosen({"HTTPS_PROXY": "http://c:3/", "https_proxy": "b:2"}) == "c:3"
    assert chosen({"HTTPS_PROXY": "", "https_proxy": "b:2"}) == "b:2"
    assert chosen({"HTTPS_PROXY": "http://c"}) == "c:80"


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/", "https://localhost:1/", "https://[::1]/", "unix:/s", "http://127.0.0.1/"]
)
def test_this_machine_needs_no_proxy(url):
    """Loopback, unix sockets and plain http are reached directly."""
    assert chosen({"HTTPS_PROXY": "http://a:1"}, parse_url(url)) is None


@pytest.mark.parametrize(
    "no_proxy",
    [
        "*",
        "token.example",
        ".example",
        "example",
        "a.b, token.example",
        "a.b token.example",
        "token.example:8443",
        "*.example",
    ],
)
def test_no_proxy_by_name(no_proxy):
    """NO_PROXY names a host or a domain, with or without its port."""
    assert chosen({"HTTPS_PROXY": "http://a:1", "NO_PROXY": no_proxy}) is None
    assert chosen({"HTTPS_PROXY": "http://a:1", "no_proxy": no_proxy}) is None


@pytest.mark.parametrize(
    "no_proxy", ["", "oken.example", "token.example:443", "other", "10.0.0.0/8", ",,", "/"]
)
def test_no_proxy_for_others(no_proxy):
    """An entry for another host, port or network changes nothing."""
    assert chosen({"HTTPS_PROXY": "http://a:1", "NO_PROXY": no_proxy}) == "a:1"


@pytest.mark.parametrize(
    ("host", "no_proxy", "direct"),
    [
        ("10.1.2.3", "10.0.0.0/8", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.0.0.0/99", False),
        ("[2001:db8::5]", "2001:db8::/32", True),
        ("[2001:db9::5]", "2001:db8::/32", False),
        ("[2001:db8::5]", "2001:db8::5", True),
        ("[2001:db8::5]", "[2001:db8::5]:443", True),
    ],
)
def test_no_proxy_by_address(host, no_proxy, direct):
    """NO_PROXY names addresses and networks of both families."""
    found = chosen({"HTTPS_PROXY": "http://a:1", "NO_PROXY": no_proxy}, parse_url(f"https://{host}/"))
    assert (found is None) == direct


@pytest.mark.parametrize(
    "value", ["socks5://me:hunter2@a:1", "https://me:hunter2@a:1", "http://me:hunter2@a:b", "http://hunter2@"]
)
def test_a_proxy_that_is_not_http(value):
    """Another kind of proxy is a configuration error naming the variable, never its value."""
    with pytest.raises(ConfigError, match="HTTPS_PROXY") as caught:
        chosen({"HTTPS_PROXY": value})
    assert "hunter2" not in caught.value.message + caught.value.hint
