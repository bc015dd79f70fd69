import json

import pytest

from fetchtoken.domain.claims import decode_claims, unsigned_jwt
from fetchtoken.domain.instants import parse_rfc3339
from fetchtoken.domain.jsontext import dumps
from fetchtoken.domain.secret import Secret
from fetchtoken.domain.token import Token
from fetchtoken.formats.codex import access_only_document, check_login, parse_auth_file, rotated_document

AUTH = "https://api.openai.com/auth"
PROFILE = "https://api.openai.com/profile"
IDENTITY = {AUTH: {"chatgpt_account_id": "acct", "chatgpt_plan_type": "pro"}, PROFILE: {"email": "a@b"}}
ACCESS = unsigned_jwt({"exp": 2_000, "iat": 1_000, "jti": "secret", **IDENTITY})
NOW_S = 1_796_033_472.25


def test_an_access_only_file_is_what_codex_takes_and_cannot_refresh():
    """Mode chatgptAuthTokens, empty refresh token, all four keys, a time in RFC 3339."""
    made = access_only_document(Token.from_jwt(ACCESS, id_token=ACCESS, account_id="acct"), now_s=NOW_S)
    assert made == {
        "auth_mode": "chatgptAuthTokens",
        "OPENAI_API_KEY": None,
        "tokens": {"id_token": ACCESS, "access_token": ACCESS, "refresh_token": "", "account_id": "acct"},
        "last_refresh": "1970-01-01T00:16:40Z",
    }


def test_it_reads_back_as_the_same_login():
    """What is rendered is what is parsed."""
    made = access_only_document(Token.from_jwt(ACCESS, account_id="acct"), now_s=NOW_S)
    auth = parse_auth_file(dumps(made, indent=2), "auth.json")
    check_login(auth)
    assert auth.access_token == Secret(ACCESS)
    assert not auth.refresh_token
    assert auth.account_id == "acct"


@pytest.mark.parametrize("identity", [None, Secret(""), Secret("opaque"), Secret("a.b.c")])
def test_without_a_proper_id_token_one_is_made(identity):
    """From the access token's identity claims only, in the shape of a JWT."""
    token = Token(access_token=Secret(ACCESS), expires_at=2_000, issued_at=1_000, id_token=identity)
    made = access_only_document(token, now_s=NOW_S)["tokens"]["id_token"]
    assert decode_claims(made) == {"exp": 2_000, "iat": 1_000, **IDENTITY}


@pytest.mark.trap("T46")
@pytest.mark.parametrize("claims", [{}, {AUTH: {"chatgpt_plan_type": "pro"}}, {AUTH: None}])
def test_an_id_token_that_is_made_names_the_account(claims):
    """Codex takes the account from it at a login; what the access token says of it goes first."""
    token = Token.from_jwt(unsigned_jwt({"exp": 2_000, **claims}), account_id="acct")
    made = decode_claims(access_only_document(token, now_s=NOW_S)["tokens"]["id_token"])
    assert made[AUTH] == {**(claims.get(AUTH) or {}), "chatgpt_account_id": "acct"}
    named = Token.from_jwt(ACCESS, account_id="another")
    made = decode_claims(access_only_document(named, now_s=NOW_S)["tokens"]["id_token"])
    assert made[AUTH]["chatgpt_account_id"] == "acct"


def test_an_opaque_access_token_gets_an_id_token_too():
    """Codex needs one, even where nothing is known."""
    made = access_only_document(Token.from_jwt("opaque"), now_s=NOW_S)
    assert decode_claims(made["tokens"]["id_token"]) == {}
    assert made["last_refresh"] == "2026-11-30T10:11:12Z"
    assert made["tokens"]["account_id"] == ""


HELD = {
    "auth_mode": "chatgpt",
    "OPENAI_API_KEY": None,
    "future_key": {"deep": [1, 1.5, None]},
    "tokens": {
        "id_token": "old.id.token",
        "access_token": "old-at",
        "refresh_token": "old-rt",
        "account_id": "acct",
        "login_owner_id": "owner",
        "oauth_provenance": {"issuer": "https://a", "client_id": "b"},
    },
    "last_refresh": "2026-01-01T00:00:00Z",
}


def rotated(document=HELD, **tokens):
    given = {"access_token": None, "refresh_token": None, "id_token": None}
    given.update({key: Secret(value) for key, value in tokens.items()})
    return rotated_document(document, **given, now_s=NOW_S)


def test_a_rotation_changes_the_tokens_and_the_time_only():
    """Keys that nobody here knows stay, in their order, at both levels."""
    made = rotated(access_token="new-at", refresh_token="new-rt", id_token="new.id.token")
    assert made["last_refresh"] == "2026-11-30T10:11:12.250000Z"
    assert parse_rfc3339(made["last_refresh"]) == NOW_S
    tokens = {"id_token": "new.id.token", "access_token": "new-at", "refresh_token": "new-rt"}
    assert made["tokens"] == {**HELD["tokens"], **tokens}
    assert list(made) == list(HELD)
    assert list(made["tokens"]) == list(HELD["tokens"])
    assert made["future_key"] == HELD["future_key"]


@pytest.mark.parametrize("key", ["access_token", "refresh_token", "id_token"])
def test_what_the_answer_lacks_stays(key):
    """Every field of an answer is optional."""
    made = rotated(**{key: "new"})
    assert made["tokens"] == {**HELD["tokens"], key: "new"}


def test_the_held_document_is_not_changed():
    """A failed write can be tried again from the same document."""
    before = json.dumps(HELD)
    rotated(access_token="new-at")
    assert json.dumps(HELD) == before


@pytest.mark.parametrize("tokens", [None, {}])
def test_a_document_without_tokens_gets_them(tokens):
    """Even then the answer is not lost."""
    assert rotated({"tokens": tokens}, access_token="new-at")["tokens"] == {"access_token": "new-at"}
