import pytest

from fetchtoken.codex.text_runs import runs_between, taken_back

OLD = "one\ntwo\nthree"
NEW = "one\nnew\nthree\nmore\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (OLD, NEW),
        ("", NEW),
        (NEW, ""),
        ("a\r\nb\r\n", "a\r\nx\r\nb\r\n"),
        ("a\rb\u2028c\n", "a\rb\u2028c\nd\n"),
        ("x\n" * 5, "x\n" * 7),
    ],
)
def test_an_edit_is_taken_back_to_the_byte(old, new):
    """Whatever the line ends, with or without the last one."""
    assert taken_back(new, runs_between(old, new)) == old


def test_lines_that_moved_are_found():
    """Lines that others put above and below do not matter."""
    runs = runs_between("a\nb\n", "a\nours = 1\nb\n[ours]\nx = 1\n")
    assert taken_back("top\nand\na\nours = 1\nb\n[ours]\nx = 1\n[more]\n", runs) == "top\nand\na\nb\n[more]\n"


@pytest.mark.parametrize("now", ["a\nours = 2\nb\n", "", "z\na\nours = 1\nours = 1\n"])
def test_lines_that_are_gone_or_not_sure_are_left(now):
    """Changed, missing, or twice in other places: nothing is guessed."""
    assert taken_back(now, runs_between("a\nb\n", "a\nours = 1\nb\n")) is None


def test_taken_out_lines_come_back_only_to_their_place():
    """An edit that only removed lines is taken back where they stood, if there is such a place."""
    runs = runs_between("a\nb\nc\n", "a\nb\n")
    assert taken_back("a\nb\n", runs) == "a\nb\nc\n"
    assert taken_back("a\n", runs) is None
