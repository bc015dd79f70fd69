"""``config set``: one line changes, everything else stays."""

import io
import sys
from pathlib import Path

import pytest

from fetchtoken.domain.errors import ConfigError, Unsafe
from fetchtoken.options import Options
from fetchtoken.settings.cascade import Cascade
from fetchtoken.settings.edit import init_user_file, known_key, set_value
from fetchtoken.settings.keys import ALIASES, KINDS, PROJECT_KEYS
from tests.support.command import World
from tests.unit.settings.reading import PROJECT, USER, read


def _cascade(world: World) -> Cascade:
    return Cascade(Options(), world.environ, str(world.cwd), read_profile=False)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b"CODEX_ACCOUNT=new\n"),
        (b"# mine\n\nOTHER=1\n", b"# mine\n\nOTHER=1\nCODEX_ACCOUNT=new\n"),
        (b"A=1\n CODEX_ACCOUNT = old\nB=2\n", b"A=1\nCODEX_ACCOUNT=new\nB=2\n"),
        (b"CODEX_ACCOUNT=a\nA=1\nCODEX_ACCOUNT=b\nB=2\n", b"A=1\nCODEX_ACCOUNT=new\nB=2\n"),
        (b"#CODEX_ACCOUNT=old\nno newline", b"#CODEX_ACCOUNT=old\nno newline\nCODEX_ACCOUNT=new\n"),
        (b"A=1\r\nCODEX_ACCOUNT=old\r\n", b"A=1\r\nCODEX_ACCOUNT=new\r\n"),
        (b"SCORPIOX=\xff\xfe\n", b"SCORPIOX=\xff\xfe\nCODEX_ACCOUNT=new\n"),
    ],
)
def test_one_line_changes_and_the_rest_stays(world: World, before: bytes, after: bytes):
    """Comments, unknown keys, odd bytes and line ends survive; a key stands once afterwards."""
    cascade = _cascade(world)
    path = world.write(USER, before)
    assert set_value(cascade, "CODEX_ACCOUNT", "new", "user") == str(path)
    assert path.read_bytes() == after


def test_an_empty_value_takes_every_line_of_the_key_out(world: World):
    """Both spellings go."""
    path = world.write(USER, "CODEX_REMOTE_API_KEY=a\nX=1\nTOKEN_HTTP_API_KEY=b\n", mode=0o600)
    set_value(_cascade(world), "CODEX_REMOTE_API_KEY", "", "user")
    assert path.read_text() == "X=1\n"


@pytest.mark.parametrize(("key", "mode"), [("CODEX_ACCOUNT", 0o644), ("CODEX_REMOTE_API_KEY", 0o600)])
def test_a_file_that_holds_a_secret_is_closed(world: World, key: str, mode: int):
    """Writing the API key takes the file away from others; any other key leaves the mode alone."""
    path = world.write(USER, "X=1\n", mode=0o644)
    set_value(_cascade(world), key, "value", "user")
    assert path.stat().st_mode & 0o777 == mode
    set_value(_cascade(world), "CODEX_MIN_VALID", "1", "user")
    assert path.stat().st_mode & 0o777 == mode


def test_a_new_file_and_its_directory_are_private(world: World):
    """What the command makes is its owner's alone."""
    set_value(_cascade(world), "CODEX_ACCOUNT", "new", "user")
    path = world.home / USER
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_the_file_is_replaced_not_rewritten(world: World):
    """A crash in between leaves the old file: the new one has another inode and no leftovers stay."""
    path = world.write(USER, "CODEX_ACCOUNT=old\n")
    inode = path.stat().st_ino
    set_value(_cascade(world), "CODEX_ACCOUNT", "new", "user")
    assert path.stat().st_ino != inode
    assert [file.name for file in path.parent.iterdir()] == ["scorpiox-env.txt"]


@pytest.mark.parametrize("key", sorted(set(KINDS) - PROJECT_KEYS))
def test_a_key_that_would_not_count_is_not_written_to_a_project(world: World, key: str):
    """``--tier project`` takes the four keys that a project may set."""
    with pytest.raises(ConfigError, match=r"does not count in a project file|not allowed|not a URL"):
        set_value(_cascade(world), key, "x", "project")
    assert not (world.home / PROJECT).exists()


def test_a_project_file_that_leads_out_of_the_project_is_not_written(world: World):
    """A hostile link must not turn ``config set`` against the caller's other files."""
    target = world.write("precious", "A=1\n")
    (world.project / "scorpiox-env.txt").symlink_to(target)
    with pytest.raises(Unsafe, match="link out of the project"):
        set_value(_cascade(world), "CODEX_ACCOUNT", "new", "project")
    assert target.read_text() == "A=1\n"


def test_without_a_project_there_is_no_project_file(world: World):
    """In a plain directory ``--tier project`` is exit 2."""
    world.cwd = world.home
    with pytest.raises(ConfigError, match="in no project"):
        set_value(_cascade(world), "CODEX_ACCOUNT", "new", "project")


def test_a_directory_in_the_files_place_is_said(world: World):
    """What cannot be read or written is exit 8 naming the path."""
    (world.home / ".config").write_text("a file where a directory should be")
    with pytest.raises(Unsafe, match=r"scorpiox-env\.txt"):
        set_value(_cascade(world), "CODEX_ACCOUNT", "new", "user")


@pytest.mark.parametrize("key", [*KINDS, *ALIASES])
def test_only_keys_that_something_reads_can_be_set(key: str):
    """A key of a source that this version does not have is refused, and so is a misspelt one."""
    if KINDS[ALIASES.get(key, key)] == "unused":
        with pytest.raises(ConfigError):
            known_key(key)
    else:
        assert known_key(key) in KINDS
    with pytest.raises(ConfigError):
        known_key(key + "X")


def test_the_template_changes_nothing(world: World):
    """After ``config init`` every value is the built-in one, and a second run changes nothing."""
    before = read(world)
    path, new = init_user_file(_cascade(world))
    after = read(world)
    assert new
    assert [(key, after.origin(key)) for key in after.keys_set] == [
        (key, before.origin(key)) for key in before.keys_set
    ]
    text = Path(path).read_text()
    assert init_user_file(_cascade(world)) == (path, False)
    assert Path(path).read_text() == text
    assert "#CODEX_SSH_COMMAND=codex-fetchtoken --format json\n" in text
    assert "#CODEX_REVOKE_TOKEN_URL_OVERRIDE=\n" in text


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_secret_is_asked_for_only_at_a_terminal(world: World, monkeypatch: pytest.MonkeyPatch):
    """With ``-`` and a terminal the secret is typed unseen; without one it is read from the pipe."""
    import getpass

    from fetchtoken.cli.config import _value

    monkeypatch.setattr(getpass, "getpass", lambda prompt: f"typed at {prompt}")
    monkeypatch.setattr(sys, "stdin", _Terminal("piped"))
    assert _value("CODEX_REMOTE_API_KEY", "-") == "typed at CODEX_REMOTE_API_KEY:"
    monkeypatch.setattr(sys, "stdin", io.StringIO(" piped \n"))
    assert _value("CODEX_REMOTE_API_KEY", "-") == "piped"
    monkeypatch.setattr(sys, "stdin", None)
    assert _value("CODEX_REMOTE_API_KEY", "-") == ""
    assert world.home
