import os
from itertools import product

import pytest

from fetchtoken.files.guard import writable_by_others
from tests.support.places import NOBODY, acting_as

STRANGER = 1
PLAIN, STICKY = 0o700, 0o1700
WRITES = {"nobody else": 0o055, "its group": 0o075, "everybody": 0o077}
GROUPS = {"own": NOBODY, "root": 0, "other": 7}
OWNERS = {"own": NOBODY, "root": 0, "stranger": STRANGER}


@pytest.mark.parametrize(
    ("owner", "group", "writes", "sticky"),
    list(product(OWNERS, GROUPS, WRITES, [False, True])),
)
def test_a_directory_is_safe_when_only_trusted_people_can_swap_its_entries(
    shared, owner, group, writes, sticky
):
    """The caller's or root's; written by the caller's own group at most, or sticky."""
    directory = shared / "d"
    directory.mkdir()
    file = directory / "f"
    file.touch()
    os.chown(file, NOBODY, NOBODY)
    os.chown(directory, OWNERS[owner], GROUPS[group])
    directory.chmod((STICKY if sticky else PLAIN) | WRITES[writes])
    loose = writes == "everybody" or (writes == "its group" and group == "other")
    unsafe = owner == "stranger" or (loose and not sticky)
    with acting_as(NOBODY):
        assert writable_by_others(str(file)) == (str(directory) if unsafe else "")


@pytest.mark.parametrize(("owner", "unsafe"), [(0, False), (NOBODY, False), (STRANGER, True)])
def test_a_sticky_directory_protects_only_what_belongs_to_us(shared, owner, unsafe):
    """Its owner can rename an entry of a sticky directory away: a stranger's entry is not safe."""
    shared.chmod(0o1777)
    file = shared / "f"
    file.touch()
    os.chown(file, owner, owner)
    with acting_as(NOBODY):
        assert writable_by_others(str(file)) == (str(shared) if unsafe else "")


def test_the_whole_chain_counts(shared):
    """A loose directory anywhere above lets somebody swap everything below it."""
    deep = shared / "loose" / "a" / "b"
    deep.mkdir(parents=True)
    (shared / "loose").chmod(0o777)
    assert writable_by_others(str(deep / "f")) == str(shared / "loose")


@pytest.mark.parametrize("absolute", [False, True])
def test_the_directory_of_a_link_counts(shared, absolute):
    """Who can swap the link decides what is read, however safe its target lies."""
    for name in ("safe", "loose"):
        (shared / name).mkdir()
    (shared / "safe" / "f").touch()
    link = shared / "loose" / "link"
    link.symlink_to(shared / "safe" / "f" if absolute else "../safe/f")
    (shared / "loose").chmod(0o777)
    assert writable_by_others(str(link)) == str(shared / "loose")
    (shared / "loose").chmod(0o755)
    assert writable_by_others(str(link)) == ""
    (shared / "safe").chmod(0o777)
    assert writable_by_others(str(link)) == str(shared / "safe")


def test_a_link_in_the_middle_of_the_path_counts(shared):
    """A directory reached through a link is as safe as the link's own directory."""
    for name in ("safe", "loose"):
        (shared / name).mkdir()
    (shared / "loose" / "way").symlink_to(shared / "safe")
    (shared / "loose").chmod(0o777)
    assert writable_by_others(str(shared / "loose" / "way" / "f")) == str(shared / "loose")


def test_dots_are_followed_where_they_really_lead(shared):
    """``link/..`` is the parent of the link's target, not of the link."""
    (shared / "loose" / "target").mkdir(parents=True)
    (shared / "link").symlink_to("loose/target")
    (shared / "loose").chmod(0o777)
    assert writable_by_others(str(shared / "link" / ".." / "f")) == str(shared / "loose")


def test_a_relative_path_starts_in_the_working_directory(shared, monkeypatch):
    """The directories above the working directory count too."""
    (shared / "loose" / "in").mkdir(parents=True)
    (shared / "loose").chmod(0o777)
    monkeypatch.chdir(shared / "loose" / "in")
    assert writable_by_others("f") == str(shared / "loose")


def test_a_loop_of_links_ends(shared):
    """It leads nowhere, so nothing in it is trusted."""
    (shared / "a").symlink_to("b")
    (shared / "b").symlink_to("a")
    assert writable_by_others(str(shared / "a" / "f")) == str(shared)


def test_what_does_not_exist_lies_in_the_directories_that_do(shared):
    """A file that is yet to be made is judged by where it would be."""
    assert writable_by_others(str(shared / "no" / "f")) == ""
    shared.chmod(0o777)
    assert writable_by_others(str(shared / "no" / "f")) == str(shared)
