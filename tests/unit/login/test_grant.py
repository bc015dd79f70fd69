"""A code for tokens."""

import json
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetchtoken.domain.claims import unsigned_jwt
from fetchtoken.domain.errors import Denied, FetchTokenError, Malformed, Unavailable
from fetchtoken.domain.secret import Secret
from fetchtoken.oauth.login.grant import FORM_HEADERS, Approval, grant_body, parse_grant

AUTH = {"chatgpt_account_id": "acct", "chatgpt_plan_type": "pro", "chatgpt_user_id": "user"}
ID_TOKEN = unsigned_jwt({"email": "ann@example.com", "https://api.openai.com/auth": AUTH})
ANSWER = {"access_token": "opaque", "refresh_token": "rt_1", "id_token": ID_TOKEN, "expires_in": 10}


def said(**fields):
    return json.dumps({key: value for key, value in fields.items() if value is not None}).encode()


def test_the_form():
    """Five fields, form-encoded, in Codex's order."""
    approval = Approval(Secret("ac&1"), Secret("v~"), "http://127.0.0.1:1455/auth/callback")
    assert parse_qsl(grant_body(approval, client_id="app_x").decode()) == [
        ("grant_type", "authorization_code"),
        ("client_id", "app_x"),
        ("code", "ac&1"),
        ("redirect_uri", "http://127.0.0.1:1455/auth/callback"),
        ("code_verifier", "v~"),
    ]
    assert FORM_HEADERS["Content-Type"] == "application/x-www-form-urlencoded"
    assert "ac&1" not in repr(approval)


def test_three_tokens_and_whose_they_are():
    """Identity is the id token's."""
    tokens = parse_grant(200, said(**ANSWER))
    assert (tokens.account_id, tokens.user_id, tokens.email, tokens.plan_type) == (
        "acct",
        "user",
        "ann@example.com",
        "pro",
    )
    assert tokens.who == "ann@example.com (plan pro)"
    assert "rt_1" not in repr(tokens)


def test_identity_of_the_access_token_will_do():
    """Where the id token says nothing the access token may; without an address the id is told."""
    access = unsigned_jwt({"https://api.openai.com/auth": {"chatgpt_account_id": "acct"}})
    tokens = parse_grant(200, said(**{**ANSWER, "access_token": access, "id_token": unsigned_jwt({})}))
    assert (tokens.account_id, tokens.who) == ("acct", "acct")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"<html>", Malformed),
        (200, said(**{**ANSWER, "refresh_token": None}), Malformed),
        (200, said(**{**ANSWER, "access_token": None}), Malformed),
        (200, said(**{**ANSWER, "id_token": "opaque"}), Malformed),
        (200, said(**{**ANSWER, "id_token": unsigned_jwt({})}), Malformed),
        (400, said(error="invalid_grant"), Unavailable),
        (403, said(error={"code": "invalid_grant"}), Unavailable),
        (400, said(error="invalid_request"), Denied),
        (401, said(error="invalid_client"), Denied),
        (302, b"", Denied),
        (429, b"", Unavailable),
        (500, b"", Unavailable),
    ],
)
def test_anything_else(status, body, kind):
    """Too late, refused, in trouble or nonsense: each has its class and says to start again."""
    with pytest.raises(kind) as caught:
        parse_grant(status, body)
    assert caught.value.hint == "start the login again"


@given(st.integers(200, 599), st.binary(max_size=80))
def test_no_answer_raises_anything_else(status, body):
    """Any bytes are an error of the tree."""
    with pytest.raises(FetchTokenError):
        parse_grant(status, body)


@pytest.mark.parametrize("status", [400, 500])
def test_the_issuers_word_is_shown_as_far_as_it_is_one(status):
    """Nothing on which a terminal acts, and no secret that the issuer says back."""
    secret = "ac_" + "x" * 43
    for word in ("\x1b[2Jinvalid", secret):
        with pytest.raises(FetchTokenError) as caught:
            parse_grant(status, said(error=word))
        assert "\x1b" not in caught.value.message
        assert secret not in caught.value.message
    with pytest.raises(FetchTokenError, match=r"status \d+, unauthorized_client"):
        parse_grant(status, said(error="unauthorized_client"))
