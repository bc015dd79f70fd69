"""What each key may hold; an error names the key, its origin and what is allowed."""

import pytest

from fetchtoken.domain.errors import ConfigError
from tests.support.command import World
from tests.unit.settings.reading import USER, read


@pytest.mark.parametrize(
    ("value", "sources"),
    [
        ("local", ("local",)),
        ("remote", ("remote",)),
        ("http", ("remote",)),
        ("remote,local", ("remote", "local")),
        (" http , local ", ("remote", "local")),
        ("ssh,local", ("ssh", "local")),
        ("local,local,remote,http", ("local", "remote")),
    ],
)
def test_sources_are_a_list_in_order(world: World, value: str, sources: tuple[str, ...]):
    """``http`` is ``remote``, blanks do not count, and a source is asked once."""
    world.environ["CODEX_TOKEN_SOURCE"] = value
    assert read(world).sources == sources


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("CODEX_TOKEN_SOURCE", "cloud", "local, remote"),
        ("CODEX_TOKEN_SOURCE", "local,", "local, remote"),
        ("CODEX_TOKEN_SOURCE", "LOCAL", "local, remote"),
        ("CODEX_TOKEN_SOURCE", "remote,sh", "local, remote, ssh"),
        ("CODEX_ACCOUNT", "Work", "a-z 0-9"),
        ("CODEX_ACCOUNT", "../auth", "a-z 0-9"),
        ("CODEX_ACCOUNT", "device", "a-z 0-9"),
        ("CODEX_MIN_VALID", "-1", "0 to 864000"),
        ("CODEX_MIN_VALID", "864001", "0 to 864000"),
        ("CODEX_MIN_VALID", "1.5", "0 to 864000"),
        ("CODEX_MIN_VALID", "1_0", "0 to 864000"),
        ("CODEX_MIN_VALID", "٣", "0 to 864000"),
        ("CODEX_MIN_VALID", "0" * 5000, ""),
        ("CODEX_CACHE_MAX_AGE", "5m", "0 to 864000"),
        ("CODEX_REMOTE_URL", "broker.example", "https://"),
        ("CODEX_REMOTE_URL", "ftp://broker.example", "https://"),
        ("CODEX_REMOTE_URL", "https://user:pass@broker.example", "https://"),
        ("CODEX_REMOTE_URL", "https://broker.example/?key=1", "https://"),
        ("CODEX_REMOTE_URL", "https://broker.example/#x", "https://"),
        ("CODEX_REMOTE_URL", "https://bröker.example/", "https://"),
        ("CODEX_REFRESH_TOKEN_URL_OVERRIDE", "nonsense", "https://"),
        ("CODEX_SSH_HOST", "me@host.example", "a host name"),
        ("CODEX_SSH_HOST", "-oProxyCommand=x", "a host name"),
        ("CODEX_SSH_HOST", "$(x)", "a host name"),
        ("CODEX_SSH_HOST", "a" * 256, "a host name"),
        ("CODEX_SSH_PORT", "0", "1 to 65535"),
        ("CODEX_SSH_PORT", "65536", "1 to 65535"),
        ("CODEX_SSH_PORT", "ssh", "1 to 65535"),
        ("CODEX_SSH_PORT", "٢٢", "1 to 65535"),
        ("CODEX_SSH_USER", "-l", "a user's name"),
        ("CODEX_SSH_USER", "a;b", "a user's name"),
        ("CODEX_SSH_USER", "a b", "a user's name"),
        ("CODEX_ACCOUNT", "a\x1b[31m", ""),
    ],
)
def test_a_value_that_is_not_allowed_is_said_with_its_origin(
    world: World, key: str, value: str, allowed: str
):
    """The environment is named as the origin, and the hint says what to use."""
    world.environ[key] = value
    with pytest.raises(ConfigError) as caught:
        read(world)
    assert caught.value.message.startswith(f"{key} (environment): ")
    assert allowed in caught.value.hint


def test_a_value_in_a_file_is_said_with_its_line(world: World):
    """The origin is file and line."""
    world.write(USER, "\n\nCODEX_MIN_VALID=soon\n")
    with pytest.raises(ConfigError, match=rf"^CODEX_MIN_VALID \({world.home}/{USER}:3\): 'soon'"):
        read(world)


@pytest.mark.parametrize(("option", "word"), [("min_valid", "--min-valid"), ("account", "--account")])
def test_a_value_of_an_option_is_said_by_the_option(world: World, option: str, word: str):
    """An option is its own origin."""
    with pytest.raises(ConfigError, match=f"^{word}: "):
        read(world, **{option: "NO!"})


def test_a_url_with_a_password_is_never_repeated(world: World):
    """What was refused may be a secret."""
    world.environ["CODEX_REMOTE_URL"] = "https://me:hunter2@broker.example"
    with pytest.raises(ConfigError) as caught:
        read(world)
    assert "hunter2" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    ("value", "path"),
    [("/abs/file", "/abs/file"), ("~/f", "{home}/f"), ("~", "{home}"), ("rel/f", "{cwd}/rel/f")],
)
def test_paths_of_the_environment_start_from_the_working_directory(world: World, value: str, path: str):
    """A tilde is the home directory, without any shell."""
    world.environ["OPENAI_CODEX_PATH"] = value
    assert read(world).openai_codex_path == path.format(home=world.home, cwd=world.cwd)


def test_a_relative_path_in_a_file_is_refused(world: World):
    """Nobody can say what it would be relative to."""
    world.write(USER, "CODEX_CREDENTIALS_FILE=auth.json\n")
    with pytest.raises(ConfigError, match=f"{USER}:1"):
        read(world)


@pytest.mark.parametrize("value", ["https://b.example", "http://127.0.0.1:7455/codex/", "unix:/run/b.sock"])
def test_urls_are_handed_on_as_they_stand(world: World, value: str):
    """Base or path, trailing slash or not: the source makes the request's URL of it."""
    world.environ["CODEX_REMOTE_URL"] = value
    settings = read(world)
    assert (settings.remote_url, settings.remote_url_origin) == (value, "environment")


def test_paths_and_urls_of_the_remote_source_reach_it(world: World):
    """Each key has its attribute."""
    world.environ |= {
        "CODEX_REMOTE_CA_FILE": "/ca.pem",
        "CODEX_REMOTE_CLIENT_CERT": "/cert.pem",
        "CODEX_REMOTE_CLIENT_KEY": "/key.pem",
        "CODEX_CA_CERTIFICATE": "/issuer.pem",
        "CODEX_REFRESH_TOKEN_URL_OVERRIDE": "http://127.0.0.1:1/oauth/token",
        "CODEX_APP_SERVER_LOGIN_CLIENT_ID": "app_other",
        "CODEX_CACHE_MAX_AGE": "0",
    }
    settings = read(world)
    assert (settings.ca_file, settings.client_cert, settings.client_key) == (
        "/ca.pem",
        "/cert.pem",
        "/key.pem",
    )
    assert settings.codex_ca_certificate == "/issuer.pem"
    assert settings.refresh_url_override == "http://127.0.0.1:1/oauth/token"
    assert settings.login_client_id == "app_other"
    assert settings.cache_max_age_s == 0


def test_keys_of_the_ssh_source_reach_it(world: World):
    """Each key has its attribute, and the password shows dots."""
    world.environ |= {
        "CODEX_SSH_HOST": "fe80::1%eth0",
        "CODEX_SSH_PORT": "2222",
        "CODEX_SSH_USER": "me@corp.example",
        "CODEX_SSH_PASS": "hunter 2",
        "CODEX_SSH_KEY": "~/.ssh/key",
        "CODEX_SSH_KNOWN_HOSTS": "/known",
        "CODEX_SSH_COMMAND": "env CODEX_ACCOUNT=a codex-fetchtoken",
    }
    settings = read(world)
    assert (settings.ssh_host, settings.ssh_port, settings.ssh_user) == (
        "fe80::1%eth0",
        2222,
        "me@corp.example",
    )
    assert (settings.ssh_key, settings.ssh_known_hosts) == (f"{world.home}/.ssh/key", "/known")
    assert settings.ssh_command == "env CODEX_ACCOUNT=a codex-fetchtoken"
    assert settings.ssh_password is not None
    assert settings.ssh_password.reveal() == "hunter 2"
    assert "hunter" not in repr(settings.ssh_password) + settings.shown("CODEX_SSH_PASS")


def test_without_settings_the_ssh_source_has_its_command_only(world: World):
    """What is empty is left to ``~/.ssh/config``."""
    settings = read(world)
    assert (settings.ssh_host, settings.ssh_port, settings.ssh_user, settings.ssh_password) == (
        "",
        0,
        "",
        None,
    )
    assert settings.ssh_command == "codex-fetchtoken --format json"


@pytest.mark.parametrize(("source", "notes"), [("ssh", 1), ("local", 0)])
def test_a_password_that_others_can_read_is_told(world: World, source: str, notes: int):
    """Where the source needs it, a note names the file and never the password."""
    world.write(USER, f"CODEX_TOKEN_SOURCE={source}\nCODEX_SSH_PASS=hunter2\n", mode=0o644)
    said = read(world).notes
    assert len(said) == notes
    assert "hunter2" not in "".join(said)
