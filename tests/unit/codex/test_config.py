import pytest

from fetchtoken.codex import config
from fetchtoken.codex.config import store_mode
from fetchtoken.domain.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        (None, "file"),
        ("", "file"),
        ('model = "m"\n', "file"),
        ('cli_auth_credentials_store = "keyring"\n', "keyring"),
        ('model = "m"\n  cli_auth_credentials_store="auto" # why\n', "auto"),
        ("'cli_auth_credentials_store' = 'ephemeral'", "ephemeral"),
        ('cli_auth_credentials_store = "file"', "file"),
        ('# cli_auth_credentials_store = "keyring"\n', "file"),
        ('[profiles.x]\ncli_auth_credentials_store = "keyring"\n', "file"),
        ('a = """\ncli_auth_credentials_store = "keyring"\n"""\n', "file"),
        ("this is not TOML, and says nothing about the store", "file"),
    ],
)
def test_where_codex_keeps_its_login(tmp_path, text, mode):
    """Only the top-level key counts; without it Codex reads auth.json."""
    if text is not None:
        (tmp_path / "config.toml").write_text(text)
    assert store_mode(str(tmp_path)) == mode


@pytest.mark.parametrize(
    ("stores", "mode"),
    [
        (("keyring", "file", "file"), "keyring"),
        (("file", "keyring", "keyring"), "file"),
        (("", "file", "keyring"), "file"),
        (("", "", "keyring"), "keyring"),
        (("", "", ""), "file"),
    ],
)
def test_the_machines_own_configuration(tmp_path, monkeypatch, stores, mode):
    """What is managed goes before the user's file, which goes before the system's, as in the real Codex."""
    for name, text in zip(("managed", "config", "system"), stores, strict=True):
        content = f'cli_auth_credentials_store = "{text}"\n' if text else 'model = "m"\n'
        (tmp_path / f"{name}.toml").write_text(content)
    monkeypatch.setattr(config, "MANAGED", str(tmp_path / "managed.toml"))
    monkeypatch.setattr(config, "SYSTEM", str(tmp_path / "system.toml"))
    assert store_mode(str(tmp_path)) == mode


@pytest.mark.parametrize(
    "data",
    [
        b'cli_auth_credentials_store = "vault"',
        b"cli_auth_credentials_store = 3",
        b"cli_auth_credentials_store = [",
        b'cli_auth_credentials_store = "\xff"',
    ],
)
def test_a_config_that_codex_cannot_use(tmp_path, data):
    """A store that is not known, or a file that is no TOML, is a configuration error naming the file."""
    (tmp_path / "config.toml").write_bytes(data)
    with pytest.raises(ConfigError, match=r"config\.toml"):
        store_mode(str(tmp_path))


def test_a_config_that_cannot_be_read(tmp_path):
    """A directory in its place is named."""
    (tmp_path / "config.toml").mkdir()
    with pytest.raises(ConfigError, match=r"config\.toml cannot be read"):
        store_mode(str(tmp_path))
