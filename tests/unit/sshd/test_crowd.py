"""How many connections there may be."""

from broker.sshd.crowd import Crowd


def test_places_are_counted_in_all_and_for_each_address():
    """Nobody takes every place, and a place that is left is free."""
    crowd = Crowd(most=3, most_each=2)
    assert [crowd.enter("10.0.0.1") for _ in range(3)] == [True, True, False]
    assert [crowd.enter("10.0.0.2") for _ in range(2)] == [True, False]
    crowd.leave("10.0.0.1")
    assert crowd.enter("10.0.0.2")
    assert not crowd.enter("10.0.0.1")


def test_a_host_with_a_whole_ipv6_network_is_one_address():
    """Changing the lower 64 bits brings no new places."""
    crowd = Crowd(most=9, most_each=1)
    assert crowd.enter("2001:db8::1")
    assert not crowd.enter("2001:db8::2")
    crowd.leave("2001:db8::3")
    assert crowd.enter("2001:db8::2")
