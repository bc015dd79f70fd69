"""Which directory is the project, and which of its files are looked at."""

import os
from pathlib import Path

import pytest

from fetchtoken.settings.cascade import find_project
from tests.support.command import World
from tests.unit.settings.reading import CLAUDE, PROJECT, UNTRUSTED, read


@pytest.mark.parametrize("mark", [".git", *(path.removeprefix("project/") for path in UNTRUSTED)])
def test_the_nearest_ancestor_with_a_mark_is_the_project(world: World, mark: str):
    """``.git`` or one of the files makes a directory the project of everything below it."""
    inner = world.project / "inner"
    (inner / "deep/down").mkdir(parents=True)
    assert find_project(str(inner / "deep/down"), str(world.home)) == str(world.project)
    world.write(f"project/inner/{mark}", "")
    assert find_project(str(inner / "deep/down"), str(world.home)) == str(inner)


def test_the_walk_stops_below_home(world: World):
    """A home directory is no project, whatever lies in it."""
    world.write("scorpiox-env.txt", "CODEX_ACCOUNT=home\n")
    world.cwd = world.home / "plain"
    world.cwd.mkdir()
    assert read(world).account == ""
    world.cwd = world.home
    assert read(world).account == ""


def test_home_is_known_through_a_symbolic_link(world: World, tmp_path: Path):
    """A ``HOME`` that is a link still ends the walk at the real directory."""
    (tmp_path / "link").symlink_to(world.home)
    world.write("scorpiox-env.txt", "")
    (world.home / "plain").mkdir()
    assert find_project(str(world.home / "plain"), str(tmp_path / "link")) == ""


def test_outside_home_the_walk_goes_on_to_the_root(tmp_path: Path, world: World):
    """A project need not lie below home."""
    (tmp_path / "srv/app/.git").mkdir(parents=True)
    (tmp_path / "srv/app/src").mkdir()
    assert find_project(str(tmp_path / "srv/app/src"), str(world.home)) == str(tmp_path / "srv/app")


def test_a_deleted_working_directory_is_in_no_project(world: World):
    """The command still runs where its directory was deleted under it."""
    assert find_project("", str(world.home)) == ""


def test_a_file_that_is_a_tier_already_is_not_read_again(world: World):
    """A project file that is the user's own by another name stays trusted: it is one file."""
    user = world.write(CLAUDE, "CODEX_REMOTE_URL=https://broker.example\n")
    (world.project / "scorpiox-env.txt").symlink_to(user)
    settings = read(world)
    assert settings.origin("CODEX_REMOTE_URL") == f"{user}:1"


def _give_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a file look as if another user owned it."""
    if os.geteuid() == 0:
        os.chown(path, 65534, -1)
    else:
        real = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: real + 1)


def test_a_strangers_file_is_ignored_with_a_note(world: World, monkeypatch: pytest.MonkeyPatch):
    """A project file must belong to the caller or root."""
    path = world.write(PROJECT, "CODEX_ACCOUNT=stranger\n")
    owner = 65534 if os.geteuid() == 0 else os.geteuid()
    _give_away(path, monkeypatch)
    settings = read(world)
    assert settings.account == ""
    assert settings.notes == [f"{path} is ignored: it belongs to user {owner}"]


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o757])
@pytest.mark.parametrize("where", ["project", "project/.scorpiox"])
def test_a_file_in_a_directory_that_others_can_write_is_ignored(world: World, mode: int, where: str):
    """Nobody but the owner may be able to put a file there, sticky bit or not."""
    path = world.write(f"{where}/scorpiox-env.txt", "CODEX_ACCOUNT=loose\n")
    path.parent.chmod(mode)
    settings = read(world)
    assert settings.account == ""
    assert settings.notes == [f"{path} is ignored: others can write {path.parent}"]


def test_a_loose_directory_above_the_project_counts_too(world: World):
    """Whoever can write a parent can swap the whole project."""
    path = world.write(PROJECT, "CODEX_ACCOUNT=loose\n")
    world.home.chmod(0o777)
    settings = read(world)
    assert settings.notes == [f"{path} is ignored: others can write {world.home}"]


def test_a_link_into_a_loose_directory_is_judged_at_both_ends(world: World):
    """A link in a safe place does not make its target safe."""
    target = world.write("loose/file.txt", "CODEX_ACCOUNT=loose\n")
    target.parent.chmod(0o777)
    (world.project / "scorpiox-env.txt").symlink_to(target)
    settings = read(world)
    assert settings.account == ""
    assert "others can write" in settings.notes[0]


@pytest.mark.parametrize("kind", ["directory", "fifo", "huge"])
def test_what_is_no_settings_file_is_ignored_in_a_project(world: World, kind: str):
    """A directory, a pipe or a giant in a project's place neither stops nor hangs the command."""
    path = world.project / "scorpiox-env.txt"
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.write_bytes(b"#" * (1 << 20) + b"\nCODEX_ACCOUNT=late\n")
    settings = read(world)
    assert settings.account == ""
    assert len(settings.notes) == 1
    assert str(path) in settings.notes[0]
