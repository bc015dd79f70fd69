"""Which tier wins, and what each value says of its origin."""

import pytest

from tests.support.command import World
from tests.unit.settings.reading import CLAUDE, ETC, PROJECT, TIERS, USER, profile_beside, read


def test_built_in_values_hold_without_any_file(world: World):
    """A fresh home reads local files, asks for 600 s and caches for 300 s."""
    settings = read(world)
    assert settings.sources == ("local",)
    assert (settings.min_valid_s, settings.cache_max_age_s) == (600, 300)
    assert settings.codex_home == f"{world.home}/.codex"
    assert settings.remote_url == "https://token.scorpiox.net/codex"
    assert settings.remote_url_origin == settings.origin("CODEX_HOME") == "built-in"
    assert (settings.account, settings.profile, settings.credentials_file) == ("", "", "")
    assert settings.api_key is None
    assert settings.origin("CODEX_ACCOUNT") == ""


@pytest.mark.parametrize("height", range(1, len(TIERS) + 1))
def test_the_highest_file_wins(world: World, height: int):
    """Each file overrides those below it, and its line is the origin."""
    for rank, path in enumerate(TIERS[:height]):
        world.write(path, f"# tier\n\nCODEX_ACCOUNT = tier{rank}\n")
    settings = read(world)
    assert settings.account == f"tier{height - 1}"
    assert settings.origin("CODEX_ACCOUNT") == f"{world.home}/{TIERS[height - 1]}:3"


def test_profile_environment_and_option_stand_above_all_files_in_that_order(world: World):
    """A profile beats every file, the environment beats a profile, an option beats the environment."""
    for path in TIERS:
        world.write(path, "CODEX_ACCOUNT=file\n")
    world.write(profile_beside(ETC, "ci"), "CODEX_ACCOUNT=profile\n")
    world.environ["ACTIVE_PROFILE"] = "ci"
    assert read(world).account == "profile"
    assert read(world).origin("CODEX_ACCOUNT") == f"{world.home}/etc/scorpiox-env/ci.txt:1"
    world.environ["CODEX_ACCOUNT"] = "environment"
    assert read(world).account == "environment"
    assert read(world).origin("CODEX_ACCOUNT") == "environment"
    settings = read(world, account="option")
    assert (settings.account, settings.origin("CODEX_ACCOUNT")) == ("option", "--account")


@pytest.mark.parametrize(
    ("option", "value", "key"),
    [
        ("source", "remote", "CODEX_TOKEN_SOURCE"),
        ("account", "a", "CODEX_ACCOUNT"),
        ("min_valid", "0", "CODEX_MIN_VALID"),
    ],
)
def test_options_are_the_highest_tier(world: World, option: str, value: str, key: str):
    """Each option that has a key overrides the environment's value of that key."""
    world.environ[key] = "77" if key == "CODEX_MIN_VALID" else "local"
    settings = read(world, **{option: value})
    assert settings.shown(key) == value
    assert settings.origin(key) == f"--{option.replace('_', '-')}"


def test_a_value_left_empty_does_not_count(world: World):
    """``KEY=`` in a file and an empty variable leave the lower tier's value in force."""
    world.write(ETC, "CODEX_ACCOUNT=etc\n")
    world.write(USER, "CODEX_ACCOUNT=\n")
    world.environ["CODEX_ACCOUNT"] = ""
    assert read(world).account == "etc"


def test_xdg_config_home_moves_the_users_file(world: World):
    """An absolute ``XDG_CONFIG_HOME`` counts, a relative one does not (XDG Base Directory)."""
    world.write("elsewhere/codex-fetchtoken/scorpiox-env.txt", "CODEX_ACCOUNT=moved\n")
    world.write(USER, "CODEX_ACCOUNT=usual\n")
    world.environ["XDG_CONFIG_HOME"] = str(world.home / "elsewhere")
    assert read(world).account == "moved"
    world.environ["XDG_CONFIG_HOME"] = "elsewhere"
    assert read(world).account == "usual"


def test_userprofile_is_home_where_there_is_no_home(world: World):
    """Without ``HOME``, ``USERPROFILE`` says where Codex keeps its files."""
    world.environ["USERPROFILE"] = world.environ.pop("HOME")
    world.write(CLAUDE, "CODEX_ACCOUNT=windows\n")
    settings = read(world)
    assert settings.account == "windows"
    assert settings.codex_home == f"{world.home}/.codex"


def test_the_other_spelling_of_the_api_key_counts_in_every_tier(world: World):
    """``TOKEN_HTTP_API_KEY`` is the key's other name; its own name wins within one tier, a tier over both."""
    world.environ["CODEX_REMOTE_URL"] = "https://broker.example"
    world.write(USER, "TOKEN_HTTP_API_KEY=alias\n", mode=0o600)
    assert read(world).api_key.reveal() == "alias"
    world.write(USER, "CODEX_REMOTE_API_KEY=own\nTOKEN_HTTP_API_KEY=alias\n", mode=0o600)
    assert read(world).api_key.reveal() == "own"
    world.environ["TOKEN_HTTP_API_KEY"] = "environment"
    assert read(world).api_key.reveal() == "environment"


def test_a_file_that_the_caller_may_not_read_is_passed_over_with_a_note(world: World, monkeypatch):
    """Root's own ``/etc`` file does not stop everybody else's command."""
    import os

    from fetchtoken.settings import cascade

    world.write(ETC, "CODEX_ACCOUNT=etc\n")
    real = os.open

    def refuse(path, *rest):
        if str(path).endswith(ETC):
            raise PermissionError(13, "Permission denied")
        return real(path, *rest)

    monkeypatch.setattr(cascade.os, "open", refuse)
    settings = read(world)
    assert settings.account == ""
    assert settings.notes == [f"{world.home}/{ETC} is ignored: Permission denied"]


def test_the_last_line_of_a_key_wins(world: World):
    """A key that stands twice in one file has the later value."""
    world.write(PROJECT, "CODEX_ACCOUNT=first\nCODEX_ACCOUNT=second\n")
    assert read(world).account == "second"
    assert read(world).origin("CODEX_ACCOUNT").endswith(":2")
