"""``codex setup`` where the machine's own configuration says where Codex keeps its login."""

import pytest

from fetchtoken.codex import config
from fetchtoken.commands import codex_plan
from tests.support.setting_up import at_desk


@pytest.fixture
def desk(tmp_path):
    with at_desk(tmp_path) as desk:
        yield desk


@pytest.fixture
def say(tmp_path, monkeypatch):
    """Have the machine's managed or system-wide configuration name a store."""

    def said(place, store):
        path = tmp_path / f"{place.lower()}.toml"
        path.write_text(f'cli_auth_credentials_store = "{store}"\n')
        for module in (config, codex_plan):
            monkeypatch.setattr(module, place, str(path))
        return path

    return said


@pytest.mark.parametrize("force", [[], ["--force"]], ids=["plain", "forced"])
def test_a_store_that_is_managed(desk, say, force):
    """No file of the user's changes it, so that a new auth.json would be read by nobody: exit 2."""
    path = say("MANAGED", "keyring")
    ran = desk.run("codex", "setup", *force)
    assert ran.code == 2
    assert f"{path}: cli_auth_credentials_store is keyring" in ran.err
    assert "--mode command" in ran.err
    assert not desk.auth.exists()
    assert desk.record is None
    desk.setup("--mode", "command")


def test_a_managed_file(desk, say):
    """It goes before the keyring that the user asks for, which stays as it stands."""
    say("MANAGED", "file")
    text = desk.configure('cli_auth_credentials_store = "keyring"\n')
    desk.setup()
    assert desk.config.read_text() == text


def test_a_store_by_default(desk, say):
    """The user's own file goes before the system's: exit 2, or set there until undo."""
    path = say("SYSTEM", "ephemeral")
    ran = desk.run("codex", "setup")
    assert ran.code == 2
    assert f"{path}: cli_auth_credentials_store is ephemeral" in ran.err
    desk.setup("--force")
    assert desk.config.read_text().strip() == 'cli_auth_credentials_store = "file"'
    desk.undo()
    assert not desk.config.exists()
