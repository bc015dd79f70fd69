"""The broker's settings: three tiers, no unknown key, nothing in plain text to another machine."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from broker.ops.home import Home
from broker.settings import DEFAULT_PORT, Settings, load_settings
from fetchtoken.domain.errors import ConfigError, FetchTokenError, NotFound, Unsafe


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def write(home: Home, text: str) -> None:
    home.config.touch(mode=0o600)
    home.config.write_text(text)


def test_defaults(home: Home) -> None:
    """Without a file the settings are those that the contract names."""
    settings = load_settings(home)
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", DEFAULT_PORT) == ("127.0.0.1", 7455)
    assert settings.issuer.url == "https://auth.openai.com"
    assert (settings.refresh.at, settings.refresh.parallel, settings.refresh.lease) == (0.6, 4, 90)
    assert settings.store_url(home) == f"sqlite:///{home.path}/broker.db"
    assert settings.store_file(home) == home.database
    assert settings.key_file(home, {}) == home.path / "master.key"


def test_options_beat_the_environment_and_that_the_file(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Option over environment over file, key by key."""
    write(home, '[server]\nhost = "127.0.0.2"\nport = 1000\n[refresh]\nat = 0.5\nparallel = 2\n')
    monkeypatch.setenv("CODEX_BROKER_SERVER_PORT", "2000")
    monkeypatch.setenv("CODEX_BROKER_REFRESH_PARALLEL", "3")
    settings = load_settings(home, port=3000)
    assert (settings.server.host, settings.server.port) == ("127.0.0.2", 3000)
    assert (settings.refresh.at, settings.refresh.parallel) == (0.5, 3)
    assert load_settings(home, host="::1").server == settings.server.model_copy(
        update={"host": "::1", "port": 2000}
    )


@pytest.mark.parametrize(
    ("variable", "value", "read"),
    [
        ("SERVER_HOST", "::1", lambda s: s.server.host == "::1"),
        (
            "SERVER_PUBLIC_URL",
            "https://broker.example/",
            lambda s: s.server.public_url == "https://broker.example",
        ),
        ("STORE_URL", "sqlite:////srv/b.db", lambda s: s.store.url == "sqlite:////srv/b.db"),
        ("SEAL_KEY_FILE", "/srv/key", lambda s: s.seal.key_file == Path("/srv/key")),
        ("ISSUER_URL", "https://issuer.example/", lambda s: s.issuer.url == "https://issuer.example"),
        ("REFRESH_AT", "0.3", lambda s: s.refresh.at == 0.3),
        ("REFRESH_LEASE", "120", lambda s: s.refresh.lease == 120),
        (
            "SERVER_BEHIND_PROXY",
            "10.0.0.0/8, ::1/128",
            lambda s: s.server.behind_proxy == (ip_network("10.0.0.0/8"), ip_network("::1/128")),
        ),
    ],
)
def test_every_key_has_a_variable(home: Home, monkeypatch, variable, value, read) -> None:
    """CODEX_BROKER_<SECTION>_<KEY> overrides each key, whatever underscores the key has."""
    monkeypatch.setenv(f"CODEX_BROKER_{variable}", value)
    assert read(load_settings(home))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[server]\nprot = 1", "server.prot"),
        ("[metrics]\nlisten = 'x'", "metrics.listen"),
        ("[tls]\ncertificate = 'x'", "tls.certificate"),
        ("[issuer]\nbackend = 'x'", "issuer.backend"),
        ("port = 7455", "port"),
        ("[dashboard]", "dashboard"),
    ],
)
def test_an_unknown_key_in_the_file(home: Home, text: str, named: str) -> None:
    """A key that nobody knows, or that is not built, is exit 2 and named with its file."""
    write(home, text)
    with pytest.raises(ConfigError, match=f"unknown setting {named} in {home.config}"):
        load_settings(home)


@pytest.mark.parametrize("name", ["SERVER_PROT", "FOO", "METRICS_LISTEN", "HOME_DIR"])
def test_an_unknown_variable(home: Home, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A variable with our prefix that stands for no key is exit 2 and named."""
    monkeypatch.setenv(f"CODEX_BROKER_{name}", "1")
    with pytest.raises(ConfigError, match=f"unknown setting CODEX_BROKER_{name} in the environment"):
        load_settings(home)


def test_the_home_variable_is_none_of_them(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """CODEX_BROKER_HOME names the home and is no setting."""
    monkeypatch.setenv("CODEX_BROKER_HOME", "/srv/home")
    load_settings(home)


def test_codex_own_variables_have_no_effect(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """What steers Codex's refresh does not steer the broker's."""
    monkeypatch.setenv("CODEX_REFRESH_TOKEN_URL_OVERRIDE", "http://evil.example/oauth/token")
    monkeypatch.setenv("CODEX_REVOKE_TOKEN_URL_OVERRIDE", "http://evil.example/oauth/revoke")
    assert load_settings(home) == Settings()


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("[server]\nport = 'many'", ConfigError, "setting server.port: "),
        ("[server]\nport = 70000", ConfigError, "setting server.port: "),
        (
            "[server]\npublic_url = 'broker.example'",
            ConfigError,
            "setting server.public_url: must start with",
        ),
        ("[server]\nbehind_proxy = ['proxy']", ConfigError, "setting server.behind_proxy: "),
        ("[server]\nbehind_proxy = 7", ConfigError, "setting server.behind_proxy"),
        ("[refresh]\nat = 1.5", ConfigError, "setting refresh.at: "),
        ("[refresh]\nlease = 10", ConfigError, "setting refresh.lease: "),
        (
            "[store]\nurl = 'postgresql://u:p@h/d'",
            ConfigError,
            "setting store.url: this version stores in SQLite",
        ),
        ("[issuer]\nurl = 'auth.openai.com'", ConfigError, "setting issuer.url: "),
        ("[issuer]\nurl = 'ftp://x.example'", ConfigError, "setting issuer.url: "),
        ("[issuer]\nurl = 'https://x.example/?a=b'", ConfigError, "setting issuer.url: "),
        ("[issuer]\nurl = 'http://issuer.example'", Unsafe, "in plain text to another machine"),
        ("[issuer]\nurl = 'http://localhost.evil.example'", Unsafe, "in plain text to another machine"),
        ("[server]\nhost = '0.0.0.0'", Unsafe, "would serve tokens in plain text"),
        ("[server]\nhost = '192.168.1.5'", Unsafe, "would serve tokens in plain text"),
        ("[server]\nhost = '::'", Unsafe, "would serve tokens in plain text"),
        ("[server]\nhost = 'broker.example'", Unsafe, "would serve tokens in plain text"),
        ("[tls]\ncert = 'x'", ConfigError, "tls.cert is set and tls.key is not"),
        ("[tls]\nkey = 'x'", ConfigError, "tls.key is set and tls.cert is not"),
        ("[clock]\noffset = 5", ConfigError, "clock.offset is for rehearsals"),
        ("[server", ConfigError, "is not TOML"),
    ],
)
def test_a_value_that_is_none(home: Home, text: str, error: type[FetchTokenError], said: str) -> None:
    """A value that cannot be, or that would send secrets in the clear, is refused with its key."""
    write(home, text)
    with pytest.raises(error) as caught:
        load_settings(home)
    assert said in caught.value.message
    assert caught.value.hint
    assert "u:p@h" not in caught.value.message, "what was given may hold a password"


def test_the_two_variables_of_tls(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Certificate and key are named together."""
    monkeypatch.setenv("CODEX_BROKER_TLS_CERT", "/srv/crt")
    monkeypatch.setenv("CODEX_BROKER_TLS_KEY", "/srv/key")
    tls = load_settings(home).tls
    assert (tls.cert, tls.key, tls.is_on) == (Path("/srv/crt"), Path("/srv/key"), True)


@pytest.mark.parametrize("host", ["::", "192.168.1.5", "broker.example"])
@pytest.mark.parametrize("how", ["[tls]\ncert = '/c'\nkey = '/k'", "behind_proxy = ['10.0.0.0/8']"])
def test_a_public_address_with_tls_here_or_in_front(home: Home, host: str, how: str) -> None:
    """Either makes it safe to be reached from elsewhere."""
    write(home, f"[server]\nhost = '{host}'\n{how}\n")
    assert load_settings(home).server.host == host


@pytest.mark.parametrize("url", ["http://127.0.0.1:7457", "http://[::1]:7457", "http://localhost:7457"])
def test_a_loopback_issuer_may_speak_http(home: Home, url: str) -> None:
    """An issuer on this machine needs no TLS, and may have the clock moved."""
    write(home, f"[issuer]\nurl = '{url}'\n[clock]\noffset = 86400\n")
    settings = load_settings(home)
    assert (settings.issuer.url, settings.clock.offset) == (url, 86400)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3"])  # noqa: S104 - refused without a proxy
def test_a_proxy_allows_a_public_address(home: Home, host: str) -> None:
    """Behind a named proxy the broker may listen beyond loopback."""
    write(home, f"[server]\nhost = '{host}'\nbehind_proxy = ['10.0.0.0/8']\n")
    assert load_settings(home).server.host == host


@pytest.mark.parametrize("mode", [0o660, 0o602])
def test_a_file_that_others_can_change(home: Home, mode: int) -> None:
    """Whoever can write the file could name the issuer, so it is not read."""
    write(home, "")
    home.config.chmod(mode)
    with pytest.raises(Unsafe, match="can be changed by others"):
        load_settings(home)


def test_a_named_file_must_exist(home: Home, tmp_path: Path) -> None:
    """``--config`` of a file that is not there is exit 4; without it, defaults stand."""
    with pytest.raises(NotFound):
        load_settings(home, tmp_path / "nothing.toml")


def test_systemd_hands_the_key_over(home: Home, tmp_path: Path) -> None:
    """The unit's credential comes before the home's key, the setting before both."""
    credential = tmp_path / "credentials"
    credential.mkdir()
    environ = {"CREDENTIALS_DIRECTORY": str(credential)}
    assert Settings().key_file(home, environ) == home.path / "master.key"
    (credential / "master.key").touch()
    assert Settings().key_file(home, environ) == credential / "master.key"
    write(home, "[seal]\nkey_file = '/srv/key'")
    assert load_settings(home).key_file(home, environ) == Path("/srv/key")
