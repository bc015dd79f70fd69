import pytest

from fetchtoken.domain.errors import ConfigError
from fetchtoken.domain.names import check_name, is_name, is_neighbour

GOOD = ["a", "0", "work", "a.b_c@d+e-f", "9" * 64, "devices", "0device"]
BAD = ["", "A", ".a", "-a", "_a", "@a", "a b", "a/b", "a\n", "ä", "a" * 65, "device", "..", "a\x00", "٣"]


@pytest.mark.parametrize("name", GOOD)
def test_a_name_of_the_contract_is_taken(name):
    """``[a-z0-9][a-z0-9._@+-]{0,63}`` passes unchanged."""
    assert is_name(name)
    assert check_name(name, "account") == name


@pytest.mark.parametrize("name", BAD)
def test_anything_else_is_a_usage_error(name):
    """Exit 2, naming the kind of thing and what a name may hold, on one line."""
    assert not is_name(name)
    with pytest.raises(ConfigError, match="client name") as caught:
        check_name(name, "client")
    assert "a-z 0-9" in caught.value.hint
    assert caught.value.message.isprintable()


def test_a_long_name_is_not_echoed_whole():
    """The message stays short whatever was typed."""
    with pytest.raises(ConfigError) as caught:
        check_name("A" * 10_000, "account")
    assert len(caught.value.message) < 200


def test_the_reserved_name_is_said_to_be_reserved():
    """``device`` is a route, so no account can have that name."""
    with pytest.raises(ConfigError, match="is reserved"):
        check_name("device", "account")


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("registry", True),
        ("1f0e.auth", True),
        ("auth.bak.1", True),
        ("work.bak", True),
        ("work", False),
        ("registry2", False),
        ("auth", False),
        ("bak", False),
        ("my.author", False),
    ],
)
def test_files_of_other_tools_are_known_by_name(name, theirs):
    """What ``registry.json``, ``*.auth.json`` and ``*.bak.*`` leave is ours."""
    assert is_neighbour(name) is theirs
