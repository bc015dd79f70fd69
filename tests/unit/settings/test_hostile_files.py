"""A cloned repository tries everything that a file or a directory can be; it gets none of our keys in."""

import os
import stat
from pathlib import Path

import pytest

from fetchtoken.domain.errors import ConfigError, Unsafe
from fetchtoken.options import Options
from fetchtoken.settings.cascade import Cascade, find_project
from fetchtoken.settings.keys import ALIASES, KINDS, PROJECT_KEYS
from fetchtoken.settings.trust import trust
from tests.support.command import World
from tests.unit.settings.reading import CLAUDE, PROJECT, PROJECT_CLAUDE, UNTRUSTED, USER, profile_beside, read

EVIL = "https://evil.example/codex"
OURS = "https://broker.example/codex"
REFUSED = sorted({*KINDS, *ALIASES} - PROJECT_KEYS)
"""Every key of the table that a repository must not set."""


def refused(world: World, path: str, key: str) -> None:
    """Assert that the settings are refused for what this file says of this key."""
    with pytest.raises(Unsafe) as caught:
        read(world)
    assert caught.value.exit_code == 8
    assert caught.value.message == f"the project file {world.home}/{path}, which is not trusted, sets {key}"


def nothing_got_in(world: World) -> None:
    """Assert that no key of ours has a value from below the project."""
    settings = read(world)
    assert [key for key in settings.keys_set if str(world.project) in settings.origin(key)] == []
    assert settings.remote_url_origin == "built-in"


# One test per key: in each file, and in a profile that the project itself chooses.


@pytest.mark.parametrize("key", REFUSED)
@pytest.mark.parametrize("path", UNTRUSTED)
def test_no_file_sets_it(world: World, path: str, key: str):
    """Each of the three files is refused for each key."""
    world.write(path, f"{key}=/tmp/evil\n")
    refused(world, path, key)


@pytest.mark.parametrize("key", REFUSED)
@pytest.mark.parametrize("path", UNTRUSTED)
def test_no_profile_beside_it_sets_it(world: World, path: str, key: str):
    """Nor does the profile that the project names and brings along."""
    world.write(PROJECT, "ACTIVE_PROFILE=ci\n")
    profile = profile_beside(path, "ci")
    world.write(profile, f"CODEX_ACCOUNT=team\n{key}=/tmp/evil\n")
    refused(world, profile, key)


@pytest.mark.parametrize("key", REFUSED)
def test_a_profile_of_the_users_is_not_replaced(world: World, key: str):
    """The user's own profile of the name that the user chose does not excuse one in the project."""
    world.write(profile_beside(USER, "ci"), "CODEX_ACCOUNT=mine\n")
    world.environ["ACTIVE_PROFILE"] = "ci"
    profile = profile_beside(PROJECT, "ci")
    world.write(profile, f"{key}=/tmp/evil\n")
    refused(world, profile, key)


# How a key may be spelt.


@pytest.mark.parametrize("before", ["", "\ufeff", "\r\n", " \t", "\x0b", "\x0c", "#x\n", "=\n", "\0\n"])
@pytest.mark.parametrize("after", ["\n", "\r\n", "", "   \r\n", "\n\0"])
def test_what_counts_as_the_key_is_refused_as_the_key(world: World, before: str, after: str):
    """Marks, blanks and line ends around a line hide nothing: what would be read is judged."""
    world.write(PROJECT, f"{before}CODEX_REMOTE_URL={EVIL}{after}")
    refused(world, PROJECT, "CODEX_REMOTE_URL")


@pytest.mark.parametrize(
    "name",
    [
        "codex_remote_url",
        "Codex_Remote_URL",
        "\u0421ODEX_REMOTE_URL",
        "\uff23ODEX_REMOTE_URL",
        "CODEX\u200b_REMOTE_URL",
        "CODEX_REMOTE_URL\u00a0",
        "CODEX_REMOTE_URL\0",
        "CODEX-REMOTE-URL",
        "CODEX_REMOTE _URL",
        "export CODEX_REMOTE_URL",
        '"CODEX_REMOTE_URL"',
        "\u2028CODEX_REMOTE_URL",
    ],
)
def test_what_only_looks_like_a_key_is_none(world: World, name: str):
    """Other cases, alphabets and invisible characters are keys of somebody else: they set nothing."""
    world.write(PROJECT, f"{name}={EVIL}\n")
    nothing_got_in(world)


@pytest.mark.parametrize("line_end", ["\r", "\x85", "\u2028", "\x1c", "\0"])
def test_a_line_ends_where_it_ends(world: World, line_end: str):
    """What other programs take for a line end puts no second key into a line, nor into a value."""
    world.write(PROJECT, f"OTHER=1{line_end}CODEX_REMOTE_URL={EVIL}\n")
    nothing_got_in(world)
    world.write(PROJECT, f"CODEX_ACCOUNT=team{line_end}CODEX_REMOTE_URL={EVIL}\n")
    if line_end == "\0":
        nothing_got_in(world)
    else:
        with pytest.raises(ConfigError):
            read(world)


@pytest.mark.parametrize("lines", [(OURS, EVIL), (EVIL, OURS)])
def test_of_two_lines_the_one_that_counts_is_judged(world: World, lines: tuple[str, str]):
    """A line as the user's own excuses no other one: the last wins, and is what is looked at."""
    world.write(USER, f"CODEX_REMOTE_URL={OURS}\n")
    world.write(PROJECT, "".join(f"CODEX_REMOTE_URL={url}\n" for url in lines))
    if lines[-1] == EVIL:
        refused(world, PROJECT, "CODEX_REMOTE_URL")
    else:
        assert read(world).remote_url == OURS


@pytest.mark.parametrize("order", [1, -1])
def test_the_other_spelling_hides_nothing(world: World, order: int):
    """Of a key and its alias in one file the key counts, and is judged, whichever comes first."""
    world.write(USER, "CODEX_REMOTE_API_KEY=cbk_ours\n")
    lines = ["CODEX_REMOTE_API_KEY=cbk_evil\n", "TOKEN_HTTP_API_KEY=cbk_ours\n"]
    world.write(PROJECT, "".join(lines[::order]))
    refused(world, PROJECT, "CODEX_REMOTE_API_KEY")


def test_the_users_url_with_a_key_of_the_project(world: World):
    """The URL may stand there, being the user's own; the key beside it may not."""
    world.write(USER, f"CODEX_REMOTE_URL={OURS}\nCODEX_REMOTE_API_KEY=cbk_ours\n")
    world.write(PROJECT, f"CODEX_REMOTE_URL={OURS}\nCODEX_REMOTE_API_KEY=cbk_evil\n")
    refused(world, PROJECT, "CODEX_REMOTE_API_KEY")


def test_the_users_key_with_a_url_of_the_project(world: World):
    """Nor does the user's key go where the project says."""
    world.write(USER, f"CODEX_REMOTE_URL={OURS}\nCODEX_REMOTE_API_KEY=cbk_ours\n")
    world.write(PROJECT, f"CODEX_REMOTE_API_KEY=cbk_ours\nCODEX_REMOTE_URL={OURS}.evil.example\n")
    refused(world, PROJECT, "CODEX_REMOTE_URL")


def test_a_trusted_file_vouches_for_no_other(world: World):
    """Neither for a profile beside it, nor for the next project file."""
    path = world.write(PROJECT, f"CODEX_REMOTE_URL={OURS}\nACTIVE_PROFILE=ci\n")
    world.write(profile_beside(PROJECT, "ci"), "")
    trust(Cascade(Options(), world.environ, str(world.cwd), read_profile=False), str(path))
    assert read(world).remote_url == OURS
    world.write(PROJECT_CLAUDE, f"CODEX_REMOTE_URL={EVIL}\n")
    refused(world, PROJECT_CLAUDE, "CODEX_REMOTE_URL")
    world.write(PROJECT_CLAUDE, "")
    world.write(profile_beside(PROJECT, "ci"), f"CODEX_REMOTE_URL={EVIL}\n")
    refused(world, profile_beside(PROJECT, "ci"), "CODEX_REMOTE_URL")


# Names of profiles and accounts as paths.


@pytest.mark.parametrize(
    "name",
    ["..", ".", "../ci", "a/../../x", "/etc/passwd", "~/x", "~", "CI", "ci/", "ci.txt/..", "c\\i", "%2e"],
)
@pytest.mark.parametrize("key", ["ACTIVE_PROFILE", "CODEX_ACCOUNT"])
def test_a_name_is_no_path(world: World, key: str, name: str):
    """What would leave its directory is refused before any path is made of it; ``~`` is not expanded."""
    world.write("ci.txt", f"CODEX_REMOTE_URL={EVIL}\n")
    world.write("project/ci.txt", f"CODEX_REMOTE_URL={EVIL}\n")
    world.write(PROJECT, f"{key}={name}\n")
    with pytest.raises(ConfigError, match=f"{PROJECT}:1"):
        read(world)


# What may stand in a file's place.


@pytest.mark.parametrize("kind", ["fifo", "socket", "zero", "null", "directory", "loop", "dangling", "huge"])
def test_no_other_kind_of_file_stops_or_feeds_it(world: World, kind: str):
    """A pipe, a device, a loop of links or a giant neither hangs the command nor sets anything."""
    path = world.project / "scorpiox-env.txt"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        os.mknod(path, 0o600 | stat.S_IFSOCK)
    elif kind in ("zero", "null"):
        path.symlink_to(f"/dev/{kind}")
    elif kind == "directory":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "dangling":
        path.symlink_to("/nowhere/at/all")
    else:
        path.write_bytes(b"#" * (1 << 20) + f"\nCODEX_REMOTE_URL={EVIL}\n".encode())
    nothing_got_in(world)


def test_a_link_to_a_secret_shows_nothing_of_it(world: World):
    """A project file that leads to somebody's key file is read as settings, and not a word is repeated."""
    secret = world.write(".ssh/id", "-----BEGIN KEY-----\ncanary-7f3a=x\nCODEX_ACCOUNT=canary-7f3a/x\n")
    (world.project / "scorpiox-env.txt").symlink_to(secret)
    with pytest.raises(ConfigError) as caught:
        read(world)
    secret.write_text("-----BEGIN KEY-----\ncanary-7f3a\n")
    settings = read(world)
    assert settings.notes
    for line in settings.notes:
        assert "canary" not in line
    assert "BEGIN" not in caught.value.message


def test_a_linked_directory_of_settings_is_still_the_projects(world: World):
    """``.claude`` as a link to elsewhere makes its files nobody's but the project's."""
    world.write("elsewhere/scorpiox-env.txt", f"CODEX_REMOTE_URL={EVIL}\n")
    (world.project / ".claude").symlink_to(world.home / "elsewhere")
    refused(world, PROJECT_CLAUDE, "CODEX_REMOTE_URL")


def test_a_link_to_the_users_own_directory_changes_nothing(world: World):
    """What is the user's own file by another way is read once, as the user's."""
    user = world.write(CLAUDE, f"CODEX_REMOTE_URL={OURS}\n")
    (world.project / ".claude").symlink_to(world.home / ".claude")
    assert read(world).origin("CODEX_REMOTE_URL") == f"{user}:1"


# Where the project is.


def git(world: World, kind: str) -> None:
    """Make ``.git`` what it is in a worktree, in a submodule, or never."""
    mark = world.project / ".git"
    mark.rmdir()
    if kind == "file":
        mark.write_text("gitdir: /tmp/evil\nCODEX_REMOTE_URL=evil\n")
    elif kind == "link":
        (world.home / "gitdir").mkdir()
        mark.symlink_to(world.home / "gitdir")
    elif kind == "fifo":
        os.mkfifo(mark)


@pytest.mark.parametrize("kind", ["file", "link", "fifo"])
def test_git_marks_a_project_and_says_nothing(world: World, kind: str):
    """Whatever ``.git`` is, it is not read, nor is anything inside it."""
    git(world, kind)
    if kind == "link":
        world.write("gitdir/scorpiox-env.txt", f"CODEX_REMOTE_URL={EVIL}\n")
    assert find_project(str(world.cwd), str(world.home)) == str(world.project)
    nothing_got_in(world)


def test_a_nested_project_is_judged_for_itself(world: World):
    """In a vendored repository its own files are the project's, and the trust in the outer one ends."""
    outer = world.write(PROJECT, f"CODEX_REMOTE_URL={OURS}\n")
    trust(Cascade(Options(), world.environ, str(world.cwd), read_profile=False), str(outer))
    inner = "project/vendor/evil/scorpiox-env.txt"
    world.write(inner, f"CODEX_REMOTE_URL={EVIL}\n")
    world.cwd = world.project / "vendor/evil/src"
    world.cwd.mkdir()
    refused(world, inner, "CODEX_REMOTE_URL")


def test_a_linked_project_is_the_same_project(world: World, tmp_path: Path):
    """A working directory reached through a link is walked as it is called, and its file is refused."""
    evil = tmp_path / "evil"
    (evil / ".git").mkdir(parents=True)
    (evil / "scorpiox-env.txt").write_text(f"CODEX_REMOTE_URL={EVIL}\n")
    link = world.home / "link"
    link.symlink_to(evil)
    world.cwd = link
    refused(world, "link/scorpiox-env.txt", "CODEX_REMOTE_URL")


def test_a_home_inside_the_project(world: World):
    """The walk ends at the home directory: what lies around it is not looked at from within."""
    world.write("scorpiox-env.txt", f"CODEX_REMOTE_URL={EVIL}\n")
    (world.home.parent / "scorpiox-env.txt").write_text(f"CODEX_REMOTE_URL={EVIL}\n")
    (world.home.parent / ".git").mkdir()
    world.cwd = world.home / "plain"
    world.cwd.mkdir()
    nothing_got_in(world)
    world.cwd = world.home.parent
    with pytest.raises(Unsafe, match=f"{world.home.parent}/scorpiox-env.txt"):
        read(world)
