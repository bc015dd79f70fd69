"""Settings files of any bytes: only declared errors, and what was set is read back."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from fetchtoken.domain.errors import ConfigError, FetchTokenError, Unsafe
from fetchtoken.options import Options
from fetchtoken.settings import Settings, load
from fetchtoken.settings.cascade import Cascade
from fetchtoken.settings.edit import set_value
from fetchtoken.settings.keys import ALIASES, KINDS
from tests.support.command import World

USER = ".config/codex-fetchtoken/scorpiox-env.txt"
KEYS = [key.encode() for key in (*KINDS, *ALIASES)]
lines = st.one_of(
    st.binary(max_size=40),
    st.builds(
        lambda key, middle, value: key + middle + value,
        st.sampled_from(KEYS),
        st.sampled_from([b"=", b" = ", b"", b"==", b"\t=\r"]),
        st.one_of(
            st.binary(max_size=20), st.sampled_from([b"local", b"5", b"~/x", b"https://b.example", b"ci"])
        ),
    ),
)
files = st.lists(lines, max_size=6).map(b"\n".join)


def _load(world: World) -> Settings | FetchTokenError:
    try:
        return load(Options(), world.environ, str(world.cwd))
    except FetchTokenError as error:
        return error


@examples(deadline=None, max_examples=150)
@given(files)
def test_a_trusted_file_of_any_bytes_is_read_or_refused(data: bytes):
    """Whatever stands in it, the command goes on or ends with exit 2."""
    with tempfile.TemporaryDirectory() as root:
        world = World(Path(root))
        world.write(USER, data)
        result = _load(world)
        if isinstance(result, FetchTokenError):
            assert isinstance(result, ConfigError)
            assert result.message.isprintable()
            assert result.hint


@examples(deadline=None, max_examples=150)
@given(files)
def test_a_project_file_of_any_bytes_sets_only_what_it_may(data: bytes):
    """No bytes in a project file set a key beyond the four."""
    with tempfile.TemporaryDirectory() as root:
        world = World(Path(root))
        path = str(world.write("project/scorpiox-env.txt", data))
        result = _load(world)
        if isinstance(result, FetchTokenError):
            assert isinstance(result, (ConfigError, Unsafe))
            assert result.message.isprintable()
            return
        from_project = {key for key in result.keys_set if result.origin(key).startswith(path)}
        assert from_project <= {"CODEX_TOKEN_SOURCE", "CODEX_ACCOUNT", "CODEX_MIN_VALID", "ACTIVE_PROFILE"}


@examples(deadline=None, max_examples=150)
@given(files, st.integers(0, 864_000))
def test_what_was_set_is_read_back_and_other_lines_stay(data: bytes, seconds: int):
    """``config set`` on any file: the value holds, and every line of another key is still there."""
    with tempfile.TemporaryDirectory() as root:
        world = World(Path(root))
        path = world.write(USER, data)
        cascade = Cascade(Options(), {"HOME": str(world.home / "nobody")}, "")
        cascade.user = str(path.parent)
        set_value(cascade, "CODEX_MIN_VALID", str(seconds), "user")
        after = path.read_bytes().split(b"\n")
        assert f"CODEX_MIN_VALID={seconds}".encode() in [line.rstrip(b"\r") for line in after]
        for line in data.split(b"\n"):
            if b"CODEX_MIN_VALID" not in line:
                assert line.removesuffix(b"\r") in [kept.removesuffix(b"\r") for kept in after]
