import json

import pytest

from fetchtoken.domain.claims import unsigned_jwt
from fetchtoken.domain.errors import LoginRequired, Malformed, NotFound
from fetchtoken.domain.secret import Secret
from fetchtoken.formats.codex import check_login, parse_auth_file

NAME = "/home/me/.codex/auth.json"
AUTH = "https://api.openai.com/auth"
CANARY = "canary-4b1d"
ACCESS = unsigned_jwt({"exp": 2_000, "iat": 1_000, AUTH: {"chatgpt_plan_type": "pro"}})


def document(**changes):
    tokens = {
        "id_token": ACCESS,
        "access_token": ACCESS,
        "refresh_token": "rt_" + CANARY,
        "account_id": "acct",
    }
    return {
        "auth_mode": "chatgpt",
        "OPENAI_API_KEY": None,
        "tokens": {**tokens, **changes.pop("tokens_with", {})},
        "last_refresh": "2026-11-01T00:00:00.123456789Z",
        **changes,
    }


def parse(value):
    return parse_auth_file(value if isinstance(value, str) else json.dumps(value), NAME)


def test_what_codex_writes_is_read():
    """Tokens, account, mode, time and provenance of an ordinary file."""
    origin = {"issuer": "https://auth.example.com/", "client_id": "app_1"}
    auth = parse(document(tokens_with={"oauth_provenance": origin}))
    check_login(auth)
    assert auth.kind == "chatgpt"
    assert auth.access_token == Secret(ACCESS)
    assert auth.refresh_token == Secret("rt_" + CANARY)
    assert auth.account_id == "acct"
    assert auth.last_refresh == pytest.approx(1_793_491_200.123)
    assert (auth.provenance_issuer, auth.provenance_client_id) == ("https://auth.example.com/", "app_1")


def test_its_token_carries_what_file_and_claims_say():
    """The token for the sources: end, account, plan and name."""
    token = parse(document()).token(account="work")
    assert (token.expires_at, token.issued_at, token.account_id) == (2_000, 1_000, "acct")
    assert (token.plan_type, token.account, token.source) == ("pro", "work", "local")


def test_missing_parts_are_empty():
    """Only the shape is checked here; what is not there is empty."""
    auth = parse({"tokens": {"access_token": "opaque"}})
    assert auth.access_token.reveal() == "opaque"
    assert not auth.refresh_token
    assert not auth.id_token
    assert (auth.account_id, auth.last_refresh, auth.provenance_issuer) == ("", None, "")


def test_white_space_around_a_token_is_cut():
    """A hand-made file with a line break after a token works."""
    assert parse(document(tokens_with={"access_token": " tok\n"})).access_token.reveal() == "tok"


@pytest.mark.parametrize("text", ["", " ", "\n\n\t"])
def test_an_empty_file_is_no_login(text):
    """Exit 4 with the way to log in."""
    with pytest.raises(NotFound, match="is empty") as caught:
        parse(text)
    assert caught.value.hint == "codex-fetchtoken login"


@pytest.mark.parametrize("value", ["{", "[]", "null", '"text"', "17", "not json " + CANARY, '{"a":1}{'])
def test_what_is_no_json_object_is_malformed(value):
    """Exit 7, naming the file, saying how to get a new one, showing nothing of the content."""
    with pytest.raises(Malformed) as caught:
        parse(value)
    assert NAME in caught.value.message
    assert "codex-fetchtoken login" in caught.value.hint
    assert CANARY not in caught.value.message + caught.value.hint


TOKEN_KEYS = ("id_token", "access_token", "refresh_token")
ODD_TEXTS = {
    "line": f"{CANARY}\nx",
    "blank": f"{CANARY} x",
    "umlaut": f"{CANARY}ü",
    "surrogate": f"{CANARY}\ud800",
}


@pytest.mark.parametrize("key", TOKEN_KEYS)
@pytest.mark.parametrize("odd", ODD_TEXTS)
def test_a_token_with_a_character_that_no_header_carries_is_malformed(key, odd):
    """It could neither be sent nor stored; the message names file and key, never the value."""
    with pytest.raises(Malformed, match=key) as caught:
        parse(document(tokens_with={key: ODD_TEXTS[odd]}))
    assert NAME in caught.value.message
    assert CANARY not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("key", [*TOKEN_KEYS, "account_id"])
@pytest.mark.parametrize(
    "value", [1, True, [CANARY], {"a": CANARY}], ids=["number", "bool", "list", "object"]
)
def test_a_field_of_another_type_is_malformed(key, value):
    """Exit 7, naming the key; null is as good as missing."""
    with pytest.raises(Malformed, match=key) as caught:
        parse(document(tokens_with={key: value}))
    assert CANARY not in caught.value.message
    parse(document(tokens_with={key: None}))


@pytest.mark.parametrize("value", [CANARY, [CANARY], 1, True], ids=["text", "list", "number", "bool"])
@pytest.mark.parametrize("key", ["tokens", "oauth_provenance"])
def test_a_table_of_another_type_is_malformed(key, value):
    """A login whose place or origin cannot be read is not guessed at."""
    changes = {"tokens": value} if key == "tokens" else {"tokens_with": {key: value}}
    with pytest.raises(Malformed, match=key) as caught:
        parse(document(**changes))
    assert CANARY not in caught.value.message


@pytest.mark.parametrize(
    "origin", [{}, {"issuer": "https://a"}, {"client_id": "b"}, {"issuer": "", "client_id": "b"}]
)
def test_half_an_origin_is_malformed(origin):
    """Codex cannot use such a file; sending its token to the default issuer would be a guess."""
    with pytest.raises(Malformed, match="oauth_provenance"):
        parse(document(tokens_with={"oauth_provenance": origin}))


def test_a_mode_of_another_type_is_malformed():
    """Codex cannot use such a file either."""
    with pytest.raises(Malformed, match="auth_mode"):
        parse(document(auth_mode=7))


@pytest.mark.parametrize(
    ("keys", "kind", "words"),
    [
        ({"auth_mode": "apikey", "OPENAI_API_KEY": CANARY}, "apikey", "an API key"),
        ({"OPENAI_API_KEY": CANARY}, "apikey", "an API key"),
        ({"OPENAI_API_KEY": CANARY, "tokens": {"access_token": ACCESS}}, "apikey", "an API key"),
        ({"personal_access_token": CANARY}, "personalAccessToken", "a personal access token"),
        (
            {"personal_access_token": CANARY, "OPENAI_API_KEY": "k"},
            "personalAccessToken",
            "a personal access",
        ),
        ({"auth_mode": "personalAccessToken"}, "personalAccessToken", "a personal access token"),
        ({"agent_identity": CANARY}, "agentIdentity", "an agent identity"),
        ({"agent_identity": {"agent_private_key": CANARY}}, "agentIdentity", "an agent identity"),
        ({"bedrock_api_key": {"key": CANARY}}, "bedrockApiKey", "a Bedrock API key"),
        ({"bedrock_access_keys": {"key": CANARY}}, "bedrockAccessKeys", "Bedrock access keys"),
        ({"auth_mode": "headers"}, "headers", "custom headers"),
        ({"auth_mode": "weird"}, "weird", "auth_mode 'weird'"),
    ],
)
def test_another_kind_of_credential_is_named(keys, kind, words):
    """Exit 3: there are credentials, but no ChatGPT token can come of them."""
    auth = parse(keys)
    assert auth.kind == kind
    with pytest.raises(LoginRequired, match=words) as caught:
        check_login(auth)
    assert caught.value.hint == "codex-fetchtoken login --force"
    assert NAME in caught.value.message
    assert CANARY not in caught.value.message


@pytest.mark.parametrize("mode", ["chatgpt", "chatgptAuthTokens", None])
def test_every_form_of_a_login_is_one(mode):
    """With or without its mode, with one of the two tokens."""
    for tokens in ({"access_token": ACCESS}, {"refresh_token": "rt_1"}):
        check_login(parse({"auth_mode": mode, "tokens": tokens}))


@pytest.mark.parametrize(
    "keys", [{}, {"tokens": None}, {"tokens": {}}, {"tokens": {"id_token": ACCESS}}, {"OPENAI_API_KEY": ""}]
)
def test_a_file_without_any_credential_is_no_login(keys):
    """Exit 4, as if there were no file."""
    with pytest.raises(NotFound, match="holds no login") as caught:
        check_login(parse(keys))
    assert caught.value.hint == "codex-fetchtoken login"


@pytest.mark.parametrize("value", [None, 7, "yesterday", [], 10**400])
def test_an_unreadable_last_refresh_is_none(value):
    """The time is only a help; without it the file still works."""
    assert parse(document(last_refresh=value)).last_refresh in (None, 7)
