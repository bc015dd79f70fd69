"""What a line may hold, and how a wrong one is said."""

import pytest

from fetchtoken.domain.errors import ConfigError
from tests.support.command import World
from tests.unit.settings.reading import CLAUDE, ETC, PROJECT, USER, read

TOO_LONG = "x" * 4097


@pytest.mark.parametrize(
    ("line", "account"),
    [
        ("CODEX_ACCOUNT=team", "team"),
        ("  CODEX_ACCOUNT \t=  team  ", "team"),
        ("CODEX_ACCOUNT=team\r", "team"),
        ("\ufeffCODEX_ACCOUNT=team", "team"),
        ("#CODEX_ACCOUNT=team", ""),
        ("   # CODEX_ACCOUNT=team", ""),
        ("codex_account=team", ""),
        ("export CODEX_ACCOUNT=team", ""),
    ],
)
def test_lines_are_trimmed_and_comments_skipped(world: World, line: str, account: str):
    """Blanks around key and value do not count; a line that starts with # says nothing."""
    world.write(USER, line + "\n\n")
    assert read(world).account == account


def test_there_is_no_shell_quoting(world: World):
    """Quotes, dollars and a later # belong to the value."""
    world.write(USER, "CODEX_CREDENTIALS_FILE=/a \"b\"/$HOME/'c' #d=e\n")
    assert read(world).credentials_file == "/a \"b\"/$HOME/'c' #d=e"


MALFORMED = [
    (b"no equals sign", "no = in this line"),
    (b"=value", "no key before the ="),
    (b"K" * 65 + b"=x", "the key is longer than 64 characters"),
    (b"CODEX_ACCOUNT=" + TOO_LONG.encode(), "the value of CODEX_ACCOUNT is longer than 4096 characters"),
    (b"CODEX_ACCOUNT=\xff", "the value of CODEX_ACCOUNT is not UTF-8"),
    (b"CODEX_ACCOUNT=a\0b", "the value of CODEX_ACCOUNT holds a NUL"),
]


@pytest.mark.parametrize("path", [ETC, USER, CLAUDE])
@pytest.mark.parametrize(("line", "fault"), MALFORMED)
def test_a_malformed_line_of_a_trusted_file_is_an_error(world: World, path: str, line: bytes, fault: str):
    """The message names file, line and fault."""
    world.write(path, b"# first\n" + line + b"\n")
    with pytest.raises(ConfigError) as caught:
        read(world)
    assert caught.value.message == f"{world.home}/{path}:2: {fault}"


@pytest.mark.parametrize(("line", "fault"), MALFORMED)
def test_a_malformed_line_of_a_project_file_is_passed_over(world: World, line: bytes, fault: str):
    """A repository cannot stop the command; the line is named in a note and the others count."""
    world.write(PROJECT, line + b"\nCODEX_MIN_VALID=7\n")
    settings = read(world)
    assert settings.notes == [f"ignored: {world.home}/{PROJECT}:1: {fault}"]
    assert settings.min_valid_s == 7


@pytest.mark.parametrize("value", [TOO_LONG.encode(), b"\xff\xfe", b"a\0b", b"\x1b[31m"])
def test_values_of_unknown_keys_are_not_looked_at(world: World, value: bytes):
    """The files are shared: what other programs keep in them is theirs."""
    world.write(USER, b"SCORPIOX_THING=" + value + b"\nCODEX_ACCOUNT=team\n")
    assert read(world).account == "team"


def test_limits_are_inclusive(world: World):
    """4096 characters, not bytes, are still a value."""
    world.write(USER, "CODEX_CREDENTIALS_FILE=/" + "é" * 4095 + "\n")
    assert len(read(world).credentials_file) == 4096


@pytest.mark.parametrize("kind", ["directory", "huge"])
def test_what_is_no_file_in_a_trusted_place_is_an_error(world: World, kind: str):
    """A directory or a giant where settings should be is said, not skipped."""
    if kind == "directory":
        (world.home / USER).mkdir(parents=True)
    else:
        world.write(USER, b"#" * ((1 << 20) + 1))
    with pytest.raises(ConfigError, match=USER):
        read(world)
