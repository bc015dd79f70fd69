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


RUNS = runs_between("a\nb\n", "a\nb\n\n[ours]\nx = 1\n\n[ours.more]\ny = 2\n")


@pytest.mark.parametrize(
    ("now", "then"),
    [
        ("a\nb\n\n[ours]\n# why\nx = 1\n\n[ours.more]\ny = 2\n# end\n", "a\nb\n# why\n# end\n"),
        ("a\n\n\nb\n[ours]\nx = 1\n# why\n[ours.more]\ny = 2\n", "a\n\n\nb\n# why\n"),
        ("a\nb\n\n[ours]\nx = 1\n\n[z]\n\n[ours.more]\ny = 2\n\n", "a\nb\n[z]\n\n\n"),
    ],
    ids=["comments", "no blank lines", "a table"],
)
def test_what_stands_between_our_lines_stays(now, then):
    """Ours go one by one, in their order; blank lines elsewhere are not ours."""
    assert taken_back(now, RUNS) == then


@pytest.mark.parametrize(
    "now", ["a\nb\n[ours]\n# why\nx = 1\n", "[ours]\nx = 1\n[ours]\n# why\nx = 1\n[ours.more]\ny = 2\n"]
)
def test_lines_apart_that_are_not_all_there(now):
    """One is gone, or nobody can say which is the first: nothing is guessed."""
    assert taken_back(now, RUNS) is None


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_last_line_that_is_the_last_no_more(end):
    """It had no end, and gets one where somebody wrote below ours."""
    after = f"# tail{end}ours{end}"
    runs = runs_between("# tail", after)
    assert taken_back(after, runs) == "# tail"
    assert taken_back(f"{after}# more{end}", runs) == f"# tail{end}# more{end}"
