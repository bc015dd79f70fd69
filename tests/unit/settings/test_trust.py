"""A project file is not trusted: four keys, unless somebody vouched for more."""

from pathlib import Path

import pytest

from fetchtoken.domain.errors import ConfigError, NotFound, Unsafe
from fetchtoken.options import Options
from fetchtoken.settings.cascade import Cascade
from fetchtoken.settings.keys import ALIASES, KINDS, PROJECT_KEYS
from fetchtoken.settings.trust import trust, untrust
from tests.support.command import World
from tests.unit.settings.reading import PROJECT, TRUSTED, UNTRUSTED, profile_beside, read

VALUES = {
    "CODEX_REMOTE_URL": "https://broker.example/codex",
    "CODEX_REFRESH_TOKEN_URL_OVERRIDE": "https://x.example",
    "CODEX_REVOKE_TOKEN_URL_OVERRIDE": "https://x.example/revoke",
    "CODEX_SSH_HOST": "host.example",
    "CODEX_SSH_PORT": "2222",
}
HARMLESS = {
    "CODEX_TOKEN_SOURCE": "remote",
    "CODEX_ACCOUNT": "team",
    "CODEX_MIN_VALID": "1",
    "ACTIVE_PROFILE": "ci",
}
REFUSED = sorted({*KINDS, *ALIASES} - PROJECT_KEYS)


def _value(key: str) -> str:
    return VALUES.get(key, "123456" if KINDS.get(key) == "seconds" else "/some/value")


def _cascade(world: World) -> Cascade:
    return Cascade(Options(), world.environ, str(world.cwd), read_profile=False)


@pytest.mark.parametrize("key", sorted(PROJECT_KEYS))
@pytest.mark.parametrize("path", UNTRUSTED)
def test_a_harmless_key_is_honoured(world: World, key: str, path: str):
    """The four keys of a project count without a question."""
    world.write(profile_beside(TRUSTED[0], "ci"), "")
    world.write(path, f"{key}={HARMLESS[key]}\n")
    assert read(world).origin(key) == f"{world.home}/{path}:1"


@pytest.mark.parametrize("key", REFUSED)
def test_another_key_is_refused(world: World, key: str):
    """Every other key of ours is exit 8, naming file and key, and the value is not shown."""
    path = world.write(PROJECT, f"CODEX_ACCOUNT=team\n{key}={_value(key)}\n")
    with pytest.raises(Unsafe) as caught:
        read(world)
    assert caught.value.message == f"the project file {path}, which is not trusted, sets {key}"
    assert caught.value.hint.endswith(f"config trust {path}")
    assert _value(key) not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("key", REFUSED)
def test_another_key_counts_once_the_file_is_trusted(world: World, key: str):
    """``config trust`` makes the file's every key count."""
    path = world.write(PROJECT, f"{key}={_value(key)}\n")
    trust(_cascade(world), str(path))
    assert read(world).origin(ALIASES.get(key, key)) == f"{path}:1"


@pytest.mark.parametrize("key", REFUSED)
def test_a_trusted_file_that_changed_is_asked_about_again(world: World, key: str):
    """One byte more and the trust is gone; the message says that it changed."""
    path = world.write(PROJECT, f"{key}={_value(key)}\n")
    trust(_cascade(world), str(path))
    path.write_text(f"{key}={_value(key)}\n#\n")
    with pytest.raises(Unsafe, match=f"{path}, which has changed since it was trusted, sets {key}"):
        read(world)


@pytest.mark.parametrize("path", UNTRUSTED)
def test_every_project_file_is_held_to_the_rule(world: World, path: str):
    """It does not matter which of the three files sets the key."""
    world.write(path, "CODEX_REMOTE_URL=https://evil.example\n")
    with pytest.raises(Unsafe, match=path):
        read(world)


@pytest.mark.parametrize("path", TRUSTED)
def test_a_value_that_a_trusted_tier_has_too_is_no_danger(world: World, path: str):
    """A project may repeat what the user or the system already says, not more."""
    world.write(path, "CODEX_REMOTE_URL=https://broker.example\n")
    world.write(PROJECT, "CODEX_REMOTE_URL=https://broker.example\n")
    assert read(world).remote_url == "https://broker.example"
    world.write(PROJECT, "CODEX_REMOTE_URL=https://broker.example.evil\n")
    with pytest.raises(Unsafe):
        read(world)


def test_the_environment_vouches_too(world: World):
    """The same value in the environment, by either spelling of the key, is enough."""
    world.environ["CODEX_REMOTE_API_KEY"] = "cbk_same"
    world.write(PROJECT, "TOKEN_HTTP_API_KEY=cbk_same\n", mode=0o600)
    assert read(world).origin("CODEX_REMOTE_API_KEY") == "environment"


def test_a_trusted_profile_vouches_too(world: World):
    """A profile beside the user's own file is a trusted tier."""
    world.write(profile_beside(TRUSTED[1], "ci"), "CODEX_REMOTE_URL=https://broker.example\n")
    world.write(PROJECT, "CODEX_REMOTE_URL=https://broker.example\nACTIVE_PROFILE=ci\n")
    assert read(world).remote_url == "https://broker.example"


def test_keys_of_others_are_nobodys_business(world: World):
    """A project file may hold any key that is not ours."""
    world.write(PROJECT, "ANTHROPIC_BASE_URL=https://x\nCODEX_SOMETHING=1\nCODEX_ACCOUNT=team\n")
    assert read(world).account == "team"


def test_trust_belongs_to_the_real_path(world: World):
    """A link to a trusted file is the same file; a copy of it is not."""
    text = "CODEX_REMOTE_URL=https://broker.example\n"
    real = world.write("project/real.txt", text)
    trust(_cascade(world), str(real))
    (world.project / "scorpiox-env.txt").symlink_to(real)
    assert read(world).remote_url == "https://broker.example"
    (world.project / "scorpiox-env.txt").unlink()
    world.write(PROJECT, text)
    with pytest.raises(Unsafe):
        read(world)


def test_untrust_takes_it_back(world: World):
    """After ``untrust`` the file is as strange as before, also when it is gone by then."""
    path = world.write(PROJECT, "CODEX_REMOTE_URL=https://broker.example\n")
    trust(_cascade(world), str(path))
    assert untrust(_cascade(world), str(path)) == str(path)
    with pytest.raises(Unsafe, match="which is not trusted"):
        read(world)
    with pytest.raises(NotFound):
        untrust(_cascade(world), str(path))


def test_trusting_one_file_keeps_the_others(world: World):
    """The record holds one line for each file."""
    paths = [world.write(path, "CODEX_REMOTE_URL=https://broker.example\n") for path in UNTRUSTED]
    for path in paths:
        trust(_cascade(world), str(path))
    assert read(world).origin("CODEX_REMOTE_URL") == f"{paths[-1]}:1"


def test_the_record_is_private_and_must_stay_so(world: World):
    """A record that others could have written vouches for nothing."""
    path = world.write(PROJECT, "CODEX_REMOTE_URL=https://broker.example\n")
    trust(_cascade(world), str(path))
    record = world.home / ".config/codex-fetchtoken/trusted.txt"
    assert record.stat().st_mode & 0o777 == 0o600
    record.chmod(0o666)
    with pytest.raises(Unsafe, match=str(record)):
        read(world)


@pytest.mark.parametrize(
    ("text", "error"),
    [(None, NotFound), ("no equals sign\n", ConfigError), ("CODEX_ACCOUNT=" + "x" * 5000, ConfigError)],
)
def test_only_a_settings_file_can_be_trusted(world: World, text: str | None, error: type[Exception]):
    """A missing or malformed file is refused."""
    path = world.project / "scorpiox-env.txt"
    if text is not None:
        path.write_text(text)
    with pytest.raises(error):
        trust(_cascade(world), str(path))


def test_a_file_that_others_can_swap_cannot_be_trusted(world: World):
    """Its hash would vouch for nothing that lasts."""
    path: Path = world.write("project/sub/scorpiox-env.txt", "CODEX_REMOTE_URL=https://broker.example\n")
    path.parent.chmod(0o777)
    with pytest.raises(Unsafe, match="others can write"):
        trust(_cascade(world), str(path))


def test_a_record_that_cannot_be_written_is_said(world: World):
    """Trust that would be forgotten at once is exit 8, naming the record."""
    path = world.write(PROJECT, "CODEX_REMOTE_URL=https://broker.example\n")
    (world.home / ".config").write_text("a file where a directory should be")
    with pytest.raises(Unsafe, match=r"trusted\.txt cannot be written"):
        trust(_cascade(world), str(path))
