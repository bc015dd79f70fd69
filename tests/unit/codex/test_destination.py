import json

import pytest

from fetchtoken.codex.destination import revoke_endpoint, token_endpoint
from fetchtoken.domain.errors import ConfigError, Unsafe
from fetchtoken.formats.codex import parse_auth_file
from fetchtoken.oauth.messages import OAUTH_CLIENT_ID

OPENAI = "https://auth.openai.com/oauth/token"
BROKER = "https://broker.example.com/codex"


def endpoint(refresh="rt_1", *, issuer="", client_id="app_file", override="", env_client="", broker=""):
    tokens = {"access_token": "at", "refresh_token": refresh}
    if issuer:
        tokens["oauth_provenance"] = {"issuer": issuer, "client_id": client_id}
    auth = parse_auth_file(json.dumps({"tokens": tokens}), "/h/auth.json")
    return token_endpoint(auth, url_override=override, client_id_override=env_client, broker_url=broker)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (OPENAI, OAUTH_CLIENT_ID)),
        ({"env_client": "app_env"}, (OPENAI, "app_env")),
        ({"issuer": "https://id.example.com"}, ("https://id.example.com/oauth/token", "app_file")),
        ({"issuer": "https://id.example.com///"}, ("https://id.example.com/oauth/token", "app_file")),
        ({"issuer": "https://id.example.com/t/1/"}, ("https://id.example.com/t/1/oauth/token", "app_file")),
        ({"issuer": "http://127.0.0.1:7457"}, ("http://127.0.0.1:7457/oauth/token", "app_file")),
        (
            {"issuer": "https://a.example.com", "env_client": "e"},
            ("https://a.example.com/oauth/token", "app_file"),
        ),
        ({"override": "https://o.example.com/x?y=1"}, ("https://o.example.com/x?y=1", OAUTH_CLIENT_ID)),
        (
            {"override": "https://o.example.com/x", "issuer": "https://a.example.com", "env_client": "e"},
            ("https://o.example.com/x", "app_file"),
        ),
        ({"broker": BROKER}, (OPENAI, OAUTH_CLIENT_ID)),
    ],
)
def test_it_is_where_codex_would_send(given, expected):
    """Override, else provenance, else OpenAI; the file's client id beats the environment's."""
    assert endpoint(**given) == expected


@pytest.mark.parametrize(
    "given",
    [
        {"issuer": "https://broker.example.com"},
        {"issuer": "https://broker.example.com/", "broker": "https://elsewhere.example.com"},
        {"broker": BROKER, "override": "https://broker.example.com/oauth/token"},
        {"broker": BROKER, "override": "https://BROKER.example.com:443/oauth/token"},
        {"issuer": "http://127.0.0.1:7455"},
    ],
)
def test_a_machine_credential_goes_to_its_broker(given):
    """To the origin that issued it, which the file or else the settings name."""
    assert endpoint("cbr_1", **given)[0].endswith("/oauth/token")


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"broker": BROKER},
        {"override": OPENAI},
        {"override": OPENAI, "broker": BROKER},
        {"issuer": "https://auth.openai.com"},
        {"issuer": "https://auth.openai.com", "override": OPENAI},
        {"issuer": "https://broker.example.com", "override": "https://other.example.com/oauth/token"},
        {"issuer": "https://broker.example.com", "override": "https://broker.example.com:8443/oauth/token"},
        {"issuer": "https://elsewhere.example.com", "broker": BROKER, "override": BROKER},
    ],
)
def test_a_machine_credential_goes_nowhere_else(given):
    """Least of all to OpenAI, whatever file and environment say."""
    with pytest.raises(Unsafe, match="machine credential") as caught:
        endpoint("cbr_canary", **given)
    assert "cbr_canary" not in caught.value.message


@pytest.mark.parametrize(
    "given",
    [
        {"broker": BROKER, "override": "https://broker.example.com/oauth/token"},
        {"broker": BROKER, "issuer": "https://broker.example.com"},
        {"broker": "http://127.0.0.1:7455", "issuer": "http://127.0.0.1:7455"},
    ],
)
def test_a_real_refresh_token_never_goes_to_the_broker(given):
    """The broker would spend it, and this machine would be logged out."""
    with pytest.raises(Unsafe, match="not sent to the broker"):
        endpoint("rt_1", **given)


@pytest.mark.parametrize(
    "given", [{"issuer": "http://id.example.com"}, {"override": "http://id.example.com/x"}]
)
def test_plain_http_to_another_host_is_unsafe(given):
    """A refresh token in the clear is a refresh token given away."""
    with pytest.raises(Unsafe, match="plain http"):
        endpoint(**given)


@pytest.mark.parametrize(
    "text", ["ftp://x/", "nonsense", "http://[", "unix:/run/x", "https://me:pw@h/", "//h/x"]
)
@pytest.mark.parametrize("where", ["issuer", "override"])
@pytest.mark.parametrize("refresh", ["rt_1", "cbr_1"])
def test_what_is_no_url_is_a_configuration_error(text, where, refresh):
    """It names the setting or the file's field, and does not show a value that may hold a password."""
    with pytest.raises(ConfigError) as caught:
        endpoint(refresh, **{where: text})
    assert (
        "oauth_provenance" if where == "issuer" else "CODEX_REFRESH_TOKEN_URL_OVERRIDE"
    ) in caught.value.message
    assert "pw" not in caught.value.message


def test_a_broken_origin_behind_an_override_is_named_as_what_it_is():
    """The file's field is wrong, not the override and not the broker's URL."""
    with pytest.raises(ConfigError, match="oauth_provenance"):
        endpoint("cbr_1", issuer="http://[", override="https://broker.example.com/oauth/token")


def revocation(refresh="rt_1", *, issuer="", override="", refresh_override="", broker=""):
    tokens = {"access_token": "at", "refresh_token": refresh}
    if issuer:
        tokens["oauth_provenance"] = {"issuer": issuer, "client_id": "app_file"}
    auth = parse_auth_file(json.dumps({"tokens": tokens}), "/h/auth.json")
    return revoke_endpoint(
        auth,
        url_override=override,
        refresh_override=refresh_override,
        client_id_override="",
        broker_url=broker,
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ("https://auth.openai.com/oauth/revoke", OAUTH_CLIENT_ID)),
        ({"override": "https://r.example.com/x"}, ("https://r.example.com/x", OAUTH_CLIENT_ID)),
        (
            {"override": "https://r.example.com/x", "refresh_override": "https://o.example.com/y"},
            ("https://r.example.com/x", OAUTH_CLIENT_ID),
        ),
        (
            {"refresh_override": "https://o.example.com:8443/a/b?c=d"},
            ("https://o.example.com:8443/oauth/revoke", OAUTH_CLIENT_ID),
        ),
        ({"issuer": "https://id.example.com/"}, ("https://id.example.com/oauth/revoke", "app_file")),
        (
            {"issuer": "https://id.example.com", "override": "https://r.example.com/x"},
            ("https://r.example.com/x", "app_file"),
        ),
    ],
)
def test_a_login_is_revoked_where_it_belongs(given, expected):
    """As Codex does, but for a login of another issuer: that is not shown to OpenAI."""
    assert revocation(**given) == expected


@pytest.mark.parametrize(
    "given",
    [
        {"refresh": "cbr_1"},
        {"refresh": "cbr_1", "broker": BROKER, "override": "https://auth.openai.com/oauth/revoke"},
        {"broker": BROKER, "override": "https://broker.example.com/oauth/revoke"},
        {"override": "http://r.example.com/x"},
    ],
)
def test_a_token_is_not_revoked_at_a_stranger(given):
    """A machine credential only at its broker, a login never there, nothing in the clear."""
    with pytest.raises(Unsafe):
        revocation(**given)


def test_a_machine_credential_is_revoked_at_its_broker():
    """That ends this machine's access; the broker keeps the login."""
    assert revocation("cbr_1", issuer="https://broker.example.com")[0] == (
        "https://broker.example.com/oauth/revoke"
    )
