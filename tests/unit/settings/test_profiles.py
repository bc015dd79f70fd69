"""Which profile is active, and which file it is."""

import os

import pytest

from fetchtoken.domain.errors import ConfigError, Unsafe
from tests.support.command import World
from tests.unit.settings.reading import (
    ETC,
    PROJECT,
    PROJECT_SCORPIOX,
    TIERS,
    UNTRUSTED,
    USER,
    profile_beside,
    read,
)


@pytest.mark.parametrize("height", range(1, len(TIERS) + 1))
def test_the_highest_tiers_profile_wins_whole(world: World, height: int):
    """Of several profiles of one name only the highest is read; lower ones add nothing."""
    for rank, tier in enumerate(TIERS[:height]):
        more = "" if rank == height - 1 else "CODEX_MIN_VALID=5\n"
        world.write(profile_beside(tier, "ci"), f"CODEX_ACCOUNT=tier{rank}\n{more}")
    settings = read(world, profile="ci")
    assert settings.account == f"tier{height - 1}"
    assert settings.min_valid_s == 600
    assert settings.profile == "ci"


@pytest.mark.parametrize("tier", TIERS)
def test_any_file_may_name_the_profile(world: World, tier: str):
    """``ACTIVE_PROFILE`` is honoured from every tier, project files included."""
    world.write(tier, "ACTIVE_PROFILE=ci\n")
    world.write(profile_beside(USER, "ci"), "CODEX_ACCOUNT=from-profile\n")
    assert read(world).account == "from-profile"


def test_option_and_environment_choose_the_profile_before_files_do(world: World):
    """``--profile`` beats the environment, which beats a file."""
    world.write(USER, "ACTIVE_PROFILE=file\n")
    for name in ("file", "environment", "option"):
        world.write(profile_beside(ETC, name), f"CODEX_ACCOUNT={name}\n")
    assert read(world).account == "file"
    world.environ["ACTIVE_PROFILE"] = "environment"
    assert read(world).account == "environment"
    assert read(world, profile="option").account == "option"


def test_a_profile_that_exists_nowhere_is_an_error(world: World):
    """The message names the profile and where it was asked for."""
    world.write(USER, "# nothing\nACTIVE_PROFILE=gone\n")
    with pytest.raises(ConfigError, match=rf"ACTIVE_PROFILE \({world.home}/{USER}:2\): .*'gone'"):
        read(world)


@pytest.mark.parametrize("name", ["../up", "UPPER", "", "device", "a/b", "x" * 65])
def test_a_profile_name_cannot_leave_its_directory(world: World, name: str):
    """What is no name is refused before any path is made of it."""
    with pytest.raises(ConfigError, match="is no name"):
        read(world, profile=name)


@pytest.mark.parametrize("tier", UNTRUSTED)
def test_a_profile_beside_a_project_file_is_not_trusted(world: World, tier: str):
    """Only the four harmless keys count in it."""
    path = world.write(
        profile_beside(tier, "ci"), "CODEX_ACCOUNT=ok\nCODEX_REMOTE_URL=https://evil.example\n"
    )
    with pytest.raises(Unsafe, match=f"{path}.*CODEX_REMOTE_URL"):
        read(world, profile="ci")


def test_a_trusted_directory_stays_trusted_when_it_is_the_project_too(world: World):
    """Standing in ``~/.config/codex-fetchtoken`` makes it the project, but its files remain the user's."""
    world.write(USER, "CODEX_REMOTE_URL=https://broker.example\n")
    world.write(profile_beside(USER, "ci"), "CODEX_REMOTE_URL=https://ci.example\n")
    world.cwd = world.home / ".config/codex-fetchtoken"
    assert read(world).remote_url == "https://broker.example"
    assert read(world, profile="ci").remote_url == "https://ci.example"


def test_a_profile_does_not_name_another_profile(world: World):
    """``ACTIVE_PROFILE`` in a profile does not lead on to a second one."""
    world.write(profile_beside(ETC, "one"), "ACTIVE_PROFILE=two\nCODEX_ACCOUNT=one\n")
    world.write(profile_beside(ETC, "two"), "CODEX_ACCOUNT=two\n")
    settings = read(world, profile="one")
    assert (settings.account, settings.profile) == ("one", "one")


def test_a_profile_is_found_beside_a_tier_without_a_file(world: World):
    """The directory counts, not whether its ``scorpiox-env.txt`` exists."""
    world.write(PROJECT, "CODEX_MIN_VALID=1\n")
    world.write(profile_beside(PROJECT_SCORPIOX, "ci"), "CODEX_ACCOUNT=ci\n")
    assert read(world, profile="ci").account == "ci"


def test_trust_goes_by_the_file_that_was_opened(world: World, monkeypatch: pytest.MonkeyPatch):
    """A link in a shared project that is pointed elsewhere after a look at it makes nothing trusted."""
    world.write(profile_beside(USER, "ci"), "CODEX_REMOTE_URL=https://ci.example\n")
    evil = world.write("elsewhere/ci.txt", "CODEX_REMOTE_URL=https://evil.example\n")
    link = world.write(profile_beside(PROJECT, "ci"), "")
    link.unlink()
    link.symlink_to(world.home / profile_beside(USER, "ci"))
    opened = os.open

    def swap_and_open(path, flags, *mode):
        if path == str(link):
            link.unlink()
            link.symlink_to(evil)
        return opened(path, flags, *mode)

    monkeypatch.setattr(os, "open", swap_and_open)
    with pytest.raises(Unsafe, match="which is not trusted, sets CODEX_REMOTE_URL"):
        read(world, profile="ci")
