"""``codex undo`` without a record, and paths that no file of ours could name."""

import os
import sys

import pytest

from tests.support.setting_up import at_desk


@pytest.fixture
def desk(tmp_path):
    with at_desk(tmp_path) as desk:
        yield desk


def test_a_record_that_is_gone(desk):
    """What Codex still runs is named, and nothing is guessed at."""
    desk.setup("--mode", "command")
    assert desk.record is not None
    desk.record.unlink()
    text = desk.config.read_text()
    ran = desk.undo()
    for key in ("model_provider", "model_providers.codex-fetchtoken"):
        assert f"{desk.config} has {key} of a setup that nobody wrote down here" in ran.err
    assert desk.config.read_text() == text


@pytest.mark.parametrize("text", ["", 'model_provider = "mine"\n', "no TOML"])
def test_a_configuration_without_ours(desk, text):
    """There is nothing to say of it."""
    desk.configure(text)
    assert len(desk.undo().err.splitlines()) == 1


@pytest.mark.parametrize(
    "text",
    ['{"auth_mode": "apikey", "OPENAI_API_KEY": "sk-precious"}', "{"],
    ids=["key", "torn"],
)
def test_a_file_that_is_no_login_of_ours(desk, text):
    """Nobody is sent to codex login, which would delete what is there."""
    desk.setup("--mode", "command")
    desk.write(".codex/auth.json", text, mode=0o600)
    ran = desk.undo()
    assert f"{desk.auth} stays as it is: " in ran.err
    assert "codex login" not in ran.err
    assert "precious" not in ran.err


@pytest.mark.skipif(sys.platform != "linux", reason="file names are any bytes on Linux")
@pytest.mark.parametrize("mode", ["file", "command", "endpoint"])
def test_a_home_whose_name_is_no_text(desk, mode):
    """No TOML, unit or crontab could name it: exit 2, and nothing is written."""
    home = desk.home / os.fsdecode(b"\xff")
    home.mkdir()
    desk.environ["HOME"] = str(home)
    desk.environ["XDG_CONFIG_HOME"] = str(desk.home / ".config")
    ran = desk.run("codex", "setup", "--mode", mode)
    assert ran.code == 2
    assert "HOME: " in ran.err
    assert "cannot be printed" in ran.err
    assert list(home.iterdir()) == []
