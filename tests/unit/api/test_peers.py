"""The caller's address behind proxies that are trusted, and those that are not."""

from ipaddress import ip_network

import pytest
from multidict import CIMultiDict

from broker.access.addresses import limit_key
from broker.api.peers import Peers


def headers(*values):
    return CIMultiDict([("X-Forwarded-For", value) for value in values])


TRUSTED = Peers([ip_network("10.0.0.0/8"), ip_network("2001:db8:1::/48"), ip_network("127.0.0.1/32")])


@pytest.mark.parametrize(
    ("remote", "forwarded", "address"),
    [
        # without the header, or from a peer that is no proxy of ours
        ("10.0.0.1", [], "10.0.0.1"),
        ("203.0.113.1", [], "203.0.113.1"),
        ("203.0.113.1", ["198.51.100.1"], "203.0.113.1"),
        # from a proxy of ours: the last address that is not ours
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1, 10.0.0.2, 10.0.0.3"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("2001:db8:1::5", ["2001:db8:9::1"], "2001:db8:9::1"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        # with ports, as some proxies write them
        ("10.0.0.1", ["198.51.100.1:5123"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8:9::1]:443"], "2001:db8:9::1"),
        # nonsense stops the walk at the last address known
        ("10.0.0.1", ["198.51.100.1, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, unknown, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["", ",", " , "], "10.0.0.1"),
        ("10.0.0.1", ["6.6.6.6," * 10_000], "10.0.0.1"),
        # no address at all
        (None, ["6.6.6.6"], "local"),
        ("", ["6.6.6.6"], "local"),
        ("nonsense", ["6.6.6.6"], "nonsense"),
    ],
)
def test_the_nearest_address_that_is_not_ours_is_the_caller(remote, forwarded, address):
    """What a caller writes in front of the list does not count."""
    assert TRUSTED.address(remote, headers(*forwarded)) == address


def test_without_trusted_proxies_the_peer_is_the_caller():
    """The header counts for nothing."""
    assert Peers().address("10.0.0.1", headers("6.6.6.6")) == "10.0.0.1"


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("198.51.100.1", "198.51.100.1"),
        ("2001:db8:9::1", "2001:db8:9::/64"),
        ("2001:db8:9:0:ffff::9", "2001:db8:9::/64"),
        ("local", "local"),
    ],
)
def test_an_ipv6_host_is_limited_with_its_network(address, key):
    """A host has a whole /64 to itself."""
    assert limit_key(address) == key
