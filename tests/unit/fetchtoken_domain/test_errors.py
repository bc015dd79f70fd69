import pytest

from fetchtoken.domain import errors
from fetchtoken.domain.errors import FetchTokenError

BRANCHES = FetchTokenError.__subclasses__
KINDS = [getattr(errors, name) for name in errors.__all__]


def drawn():
    """Read (name, exit code) pairs out of the tree in the module's docstring."""
    lines = [line.strip("│├└─ ") for line in errors.__doc__.splitlines()]
    found = (line.split(maxsplit=2) for line in lines if line)
    return {
        words[0]: int(words[1])
        for words in found
        if len(words) > 2 and words[0][0].isupper() and words[1].isdigit()
    }


def test_the_tree_in_the_docstring_is_the_tree():
    """Each class stands in the drawing with its exit code, and nothing else does."""
    assert drawn() == {kind.__name__: kind.exit_code for kind in KINDS}


def test_each_kind_has_an_exit_code_of_its_own():
    """No two classes share an exit code; they are those of the contract."""
    assert sorted(kind.exit_code for kind in KINDS) == [1, 2, 3, 4, 5, 6, 7, 8, 130]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not FetchTokenError])
def test_every_kind_is_one_below_the_root(kind):
    """The tree is flat, so a caller can catch the root and switch on the class."""
    assert kind.__bases__ == (FetchTokenError,)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_carries_what_happened_what_to_do_and_a_code(kind):
    """Message, hint and code are readable; ``str`` is the message alone."""
    error = kind("it broke", hint="mend it", code="broken")
    assert (str(error), error.message, error.hint, error.code) == (
        "it broke",
        "it broke",
        "mend it",
        "broken",
    )
    assert (kind("it broke").hint, kind("it broke").code) == ("", "")
