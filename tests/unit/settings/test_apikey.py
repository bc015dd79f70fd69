"""Which API key belongs to which broker, and where it may stand."""

import pytest

from fetchtoken.domain.errors import ConfigError, Malformed, Unsafe
from tests.support.command import World
from tests.unit.settings.reading import CLAUDE, USER, read


@pytest.fixture
def broker(world: World) -> World:
    """Return a world with a configured broker."""
    world.environ["CODEX_REMOTE_URL"] = "https://broker.example"
    return world


@pytest.mark.parametrize("key", ["CODEX_REMOTE_API_KEY", "CODEX_REMOTE_API_KEY_FILE"])
def test_the_built_in_url_never_gets_a_key(world: World, key: str):
    """A key without a configured broker is exit 2 before the key is even read."""
    world.environ[key] = "/no/such/file"
    settings = read(world)
    assert settings.has_api_key
    with pytest.raises(ConfigError) as caught:
        _ = settings.api_key
    assert caught.value.hint == "set CODEX_REMOTE_URL"


def test_a_key_file_is_read_privately(broker: World):
    """The file's one word is the key; others must not be able to read it."""
    path = broker.write("key", "cbk_word\n", mode=0o600)
    broker.environ["CODEX_REMOTE_API_KEY_FILE"] = str(path)
    assert read(broker).api_key.reveal() == "cbk_word"
    path.chmod(0o640)
    with pytest.raises(Unsafe, match="readable"):
        _ = read(broker).api_key


def test_the_higher_tier_wins_between_key_and_key_file(broker: World):
    """Between tiers the higher one counts, whichever of the two it has; in one tier the key does."""
    path = broker.write("key", "cbk_file", mode=0o600)
    broker.write(USER, f"CODEX_REMOTE_API_KEY_FILE={path}\n")
    broker.environ["CODEX_REMOTE_API_KEY"] = "cbk_environment"
    assert read(broker).api_key.reveal() == "cbk_environment"
    del broker.environ["CODEX_REMOTE_API_KEY"]
    broker.write(CLAUDE, "CODEX_REMOTE_API_KEY=cbk_claude\n", mode=0o600)
    assert read(broker).api_key.reveal() == "cbk_claude"
    broker.environ["CODEX_REMOTE_API_KEY_FILE"] = str(path)
    assert read(broker).api_key.reveal() == "cbk_file"
    broker.environ["CODEX_REMOTE_API_KEY"] = "cbk_both"
    assert read(broker).api_key.reveal() == "cbk_both"


@pytest.mark.parametrize("text", ["", "two words", "line\nbreak", "schlüssel"])
def test_what_cannot_stand_in_a_header_is_no_key(broker: World, text: str):
    """Such a key would break the request; it is refused without being shown."""
    broker.environ["CODEX_REMOTE_API_KEY_FILE"] = str(broker.write("key", text, mode=0o600))
    with pytest.raises((ConfigError, Malformed)) as caught:
        _ = read(broker).api_key
    assert not text or text not in str(caught.value)


def test_a_missing_key_file_is_named(broker: World):
    """The message names the key and the file."""
    broker.environ["CODEX_REMOTE_API_KEY_FILE"] = "/no/such/key"
    with pytest.raises(ConfigError, match="CODEX_REMOTE_API_KEY_FILE /no/such/key does not exist"):
        _ = read(broker).api_key


def test_a_key_in_a_file_that_others_can_read_is_warned_about(broker: World):
    """It still works, as scorpiox wrote it, but the note says how to close the file."""
    path = broker.write(USER, "CODEX_REMOTE_API_KEY=cbk_open\n", mode=0o644)
    assert read(broker).notes == []
    broker.environ["CODEX_TOKEN_SOURCE"] = "local,remote"
    settings = read(broker)
    assert settings.api_key.reveal() == "cbk_open"
    assert settings.notes == [f"{path} holds CODEX_REMOTE_API_KEY and others can read it: chmod 600 {path}"]


def test_a_key_is_never_shown(broker: World):
    """Neither ``shown`` nor the text of the settings gives it out."""
    broker.environ["CODEX_REMOTE_API_KEY"] = "cbk_canary"
    settings = read(broker)
    assert settings.shown("CODEX_REMOTE_API_KEY") == "(set, hidden)"
    assert "canary" not in repr(settings) + repr(settings.api_key) + str(settings.notes)
