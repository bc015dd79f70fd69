import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetchtoken.domain.names import is_name, is_neighbour
from fetchtoken.domain.nickname import nickname


@pytest.mark.parametrize(
    ("email", "name"),
    [
        ("ann@example.com", "ann"),
        ("Ann.Lee+Work@example.com", "ann.lee+work"),
        ("ann", "ann"),
        ("zoë.müller@example.com", "zoe.muller"),
        ('"ann lee"@example.com', "ann-lee"),
        ("o'neil@example.com", "o-neil"),
        ("_ann_@example.com", "ann"),
        ("李@example.com", "account"),
        ("@example.com", "account"),
        ("", "account"),
        ("a" * 80 + "@example.com", "a" * 64),
        ("device@example.com", "device-2"),
        ("registry@example.com", "registry-2"),
        ("ann.auth@example.com", "ann-auth"),
        ("ann.bak.1@example.com", "ann-bak-1"),
        ("ann.author@example.com", "ann.author"),
    ],
)
def test_the_local_part_becomes_a_name(email, name):
    """Lower case, accents dropped, odd characters replaced, reserved names avoided."""
    assert nickname(email, ()) == name


def test_a_taken_name_gets_the_first_free_number():
    """Numbers start at 2, and gaps are used."""
    assert nickname("ann@a.example", {"ann"}) == "ann-2"
    assert nickname("ann@a.example", {"ann", "ann-2", "ann-4"}) == "ann-3"
    assert nickname("", {"account"}) == "account-2"


def test_a_long_name_makes_room_for_its_number():
    """64 characters is the most that a name may have."""
    assert nickname("a" * 64, {"a" * 64}) == "a" * 62 + "-2"


@given(st.text(), st.sets(st.sampled_from(["account", "a", "0", "device-2"])))
def test_whatever_the_address_the_result_is_a_free_name(email, taken):
    """Claims are written by others: any text gives a name of the contract, ours alone, not in use."""
    name = nickname(email, taken)
    assert is_name(name)
    assert not is_neighbour(name)
    assert name not in taken
