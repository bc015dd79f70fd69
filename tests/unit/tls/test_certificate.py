"""What is said of a certificate: names and life."""

from datetime import UTC, datetime, timedelta

import pytest
import trustme

from broker.tls.certificate import Certificate, read_chain
from fetchtoken.domain.errors import ConfigError, Unavailable

NOW_S = 1_800_000_000.0
DAY_S = 86_400


def certificate(*names, begins=-1, ends=90):
    return Certificate("tls.crt", names, NOW_S + begins * DAY_S, NOW_S + ends * DAY_S)


def chain_of(issued):
    return b"".join(blob.bytes() for blob in issued.cert_chain_pems)


@pytest.mark.parametrize(
    ("names", "host", "covered"),
    [
        (["b.example.com"], "b.example.com", True),
        (["b.example.com"], "B.Example.COM.", True),
        (["a.example.com", "b.example.com"], "b.example.com", True),
        (["b.example.com"], "example.com", False),
        (["*.example.com"], "b.example.com", True),
        (["*.example.com"], "a.b.example.com", False),
        (["*.example.com"], "example.com", False),
        (["*.example.com"], ".example.com", False),
        (["*.com"], "example.com", False),
        (["b*.example.com"], "b1.example.com", False),
        (["192.0.2.1"], "192.0.2.1", True),
        (["*.0.2.1"], "192.0.2.1", False),
        (["2001:db8::1"], "2001:db8:0::1", True),
        ([], "b.example.com", False),
    ],
)
def test_which_host_it_is_for(names, host, covered):
    """A star stands for one whole label, addresses are compared as addresses, letters know no case."""
    assert certificate(*names).covers(host) is covered


@pytest.mark.parametrize(
    ("begins", "ends", "kind", "says"),
    [
        (-1, 90, None, ""),
        (-1, 14, None, ""),
        (-1, 13.9, Unavailable, "expires in 13 days"),
        (-1, 0.5, Unavailable, "expires in 0 days"),
        (-90, 0, Unavailable, "expired on"),
        (-90, -30, Unavailable, "expired on"),
        (1, 90, Unavailable, "not valid before"),
    ],
)
def test_when_a_person_has_to_look_after_it(begins, ends, kind, says):
    """Two weeks before its end, after it, and before its beginning."""
    problem = certificate("b.example.com", begins=begins, ends=ends).problem(NOW_S, "b.example.com")
    assert (kind is None) == (problem is None)
    if problem is not None:
        assert isinstance(problem, kind)
        assert says in problem.message
        assert problem.hint


def test_a_certificate_for_another_host():
    """The names that it has and the one that clients use are both told; without a public URL nothing is."""
    found = certificate("a.example.com", "192.0.2.1")
    problem = found.problem(NOW_S, "b.example.com")
    assert isinstance(problem, ConfigError)
    assert problem.message == "tls.crt is for a.example.com, 192.0.2.1, not for b.example.com"
    assert found.problem(NOW_S) is None


def test_what_a_real_certificate_says():
    """Names of both kinds, lower case, and both ends of its life."""
    end = datetime(2031, 1, 2, 3, 4, 5, tzinfo=UTC)
    issued = trustme.CA().issue_cert(
        "B.example.com", "*.example.net", "192.0.2.1", not_before=end - timedelta(days=9), not_after=end
    )
    found = Certificate.of(read_chain(chain_of(issued), "x"), "x")
    assert found.names == ("b.example.com", "*.example.net", "192.0.2.1")
    assert (found.begins_s, found.ends_s) == (end.timestamp() - 9 * DAY_S, end.timestamp())
    assert found.told(end.timestamp() - 2.5 * DAY_S).endswith("192.0.2.1, until 2031-01-02 (2 days)")


@pytest.mark.parametrize(
    "pem", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_what_is_no_certificate(pem):
    """The file is named."""
    with pytest.raises(ConfigError, match=r"^/srv/x holds no certificate"):
        read_chain(pem, "/srv/x")
