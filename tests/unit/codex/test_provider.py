import pytest

from fetchtoken.codex.login_keys import forced_elsewhere, ignores_file
from fetchtoken.codex.provider import PROVIDER, backend_url, foreign_key, other_profiles, provider_keys
from fetchtoken.domain.errors import ConfigError, Malformed, Unsafe

NAME = "config.toml"


@pytest.mark.parametrize(
    ("config", "url"),
    [
        ({}, "https://chatgpt.com/backend-api/codex"),
        (
            {"chatgpt_base_url": "https://proxy.example/backend-api/"},
            "https://proxy.example/backend-api/codex",
        ),
        ({"chatgpt_base_url": "http://127.0.0.1:8080"}, "http://127.0.0.1:8080/api/codex"),
        (
            {"openai_base_url": "http://localhost:1/v1/", "chatgpt_base_url": "https://x.example"},
            "http://localhost:1/v1",
        ),
    ],
)
def test_where_the_model_is(config, url):
    """OpenAI's backend, unless the user has told Codex of another."""
    assert backend_url(config, NAME) == url


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("http://proxy.example/v1", Unsafe),
        ("unix:/run/x", ConfigError),
        ("proxy", ConfigError),
        ("https://u:p@x.example", ConfigError),
        (5, ConfigError),
    ],
)
@pytest.mark.parametrize("key", ["openai_base_url", "chatgpt_base_url"])
def test_where_no_token_goes(key, text, error):
    """Plain http to another machine, and what is no URL: refused, naming file and key."""
    with pytest.raises(error, match=rf"config\.toml: {key}"):
        backend_url({key: text}, NAME)


@pytest.mark.parametrize(
    ("config", "key"),
    [
        ({}, ""),
        ({"model_provider": "openai"}, ""),
        ({"model_provider": PROVIDER}, ""),
        ({"model_provider": "mine"}, "model_provider"),
        ({"model_providers": {PROVIDER: {}}}, f"model_providers.{PROVIDER}"),
        ({"profile": "p", "profiles": {"p": {"model_provider": "mine"}}}, "profiles.p.model_provider"),
        ({"profile": "p", "profiles": {"p": {}, "q": {"model_provider": "mine"}}}, ""),
        ({"profile": "p"}, ""),
        ({"profile": 5, "profiles": 6}, ""),
    ],
)
def test_what_the_user_has_of_their_own(config, key):
    """A provider that is chosen, at the top or by the profile in force, or a table of our name."""
    assert foreign_key(config)[0] == key


def test_profiles_that_keep_their_own():
    """Those that are not in force are named, not changed."""
    profiles = {"p": {"model_provider": "a"}, "q": {"model_provider": "b"}, "r": {}}
    config = {"profile": "p", "profiles": profiles}
    assert other_profiles(config) == ["q"]
    keys = provider_keys(config, NAME, command="/c", words=[], home="/h", account_id="acct")
    assert keys["profiles", "p", "model_provider"] == PROVIDER
    assert ("profiles", "q", "model_provider") not in keys


def test_the_table():
    """The command ends before Codex's limit, the account is in the header, and no token anywhere."""
    keys = provider_keys(
        {}, NAME, command="/opt/x y/codex-fetchtoken", words=["--source", "ssh"], home="/h", account_id="a-1"
    )
    table = keys["model_providers", PROVIDER]
    assert table["http_headers"] == {"ChatGPT-Account-Id": "a-1"}
    assert table["auth"]["command"] == "/opt/x y/codex-fetchtoken"
    assert table["auth"]["args"] == ["--source", "ssh", "--cache-max-age", "0", "--timeout", "4"]
    assert table["auth"]["cwd"] == "/h"
    assert table["auth"]["timeout_ms"] == 5000
    assert table["wire_api"] == "responses"


@pytest.mark.parametrize("account_id", ["", "a\nb", "é"])
def test_an_account_id_that_no_header_holds(account_id):
    """It came from another machine: what could end a header is refused."""
    with pytest.raises(Malformed):
        provider_keys({}, NAME, command="/c", words=[], home="/h", account_id=account_id)


@pytest.mark.parametrize(
    ("config", "key"),
    [
        ({}, ""),
        ({"forced_login_method": "chatgpt"}, ""),
        ({"forced_login_method": "api"}, "forced_login_method"),
        ({"forced_chatgpt_workspace_id": "acct"}, ""),
        ({"forced_chatgpt_workspace_id": ["other", "acct"]}, ""),
        ({"forced_chatgpt_workspace_id": "other"}, "forced_chatgpt_workspace_id"),
        ({"forced_chatgpt_workspace_id": ["other"]}, "forced_chatgpt_workspace_id"),
    ],
)
def test_logins_that_codex_refuses(config, key):
    """By method or workspace."""
    assert forced_elsewhere(config, "acct") == key


@pytest.mark.parametrize(
    ("mode", "ignored"), [("file", False), ("auto", False), ("keyring", True), ("ephemeral", True)]
)
def test_stores_that_are_no_file(mode, ignored):
    """With a keyring, or nothing that lasts, auth.json is not read."""
    assert ignores_file(mode) is ignored
