import json

import pytest

from fetchtoken import __version__
from fetchtoken.domain.claims import unsigned_jwt
from fetchtoken.domain.secret import Secret
from fetchtoken.oauth.messages import (
    JSON_HEADERS,
    OAUTH_CLIENT_ID,
    error_code,
    json_object,
    parse_tokens,
    refresh_body,
    revoke_body,
)

JWT = unsigned_jwt({"exp": 1})


def body(**fields):
    return json.dumps(fields).encode()


def test_a_refresh_is_asked_for_as_codex_does():
    """Four JSON fields, RFC 6749 §6 plus Codex's reason."""
    made = json.loads(refresh_body(Secret('r"t'), client_id=OAUTH_CLIENT_ID, reason="forced"))
    assert made == {
        "client_id": "app_EMoamEEZ73f0CkXaXp7hrann",
        "grant_type": "refresh_token",
        "refresh_reason": "forced",
        "refresh_token": 'r"t',
    }


def test_a_revocation_names_token_hint_and_client():
    """RFC 7009 §2.1, as JSON."""
    made = json.loads(revoke_body(Secret("rt"), hint="refresh_token", client_id="app_1"))
    assert made == {"token": "rt", "token_type_hint": "refresh_token", "client_id": "app_1"}


def test_the_three_tokens_are_read():
    """Anything beside them is ignored."""
    tokens = parse_tokens(body(access_token="at", refresh_token="rt", id_token=JWT, expires_in=5, scope="x"))
    assert (tokens.access_token, tokens.refresh_token) == (Secret("at"), Secret("rt"))
    assert tokens.id_token == Secret(JWT)


@pytest.mark.parametrize("key", ["access_token", "refresh_token", "id_token"])
@pytest.mark.parametrize(
    "value",
    [None, "", " ", 1, True, [], {}, "a b", "a\nb", "ü", "\x00", "\ud800"],
    ids=[
        "null",
        "empty",
        "blank",
        "number",
        "bool",
        "list",
        "object",
        "two",
        "line",
        "umlaut",
        "nul",
        "half",
    ],
)
def test_an_unusable_token_is_absent(key, value):
    """Absent means: keep the old one. One field's trouble does not cost the others."""
    tokens = parse_tokens(body(**{"access_token": "at", "refresh_token": "rt", "id_token": JWT, key: value}))
    assert getattr(tokens, key) is None
    others = {"access_token", "refresh_token", "id_token"} - {key}
    assert all(getattr(tokens, other) for other in others)


@pytest.mark.parametrize("value", ["opaque", "a.b.c", "e30..x"])
def test_an_id_token_that_is_no_jwt_is_absent(value):
    """Codex would refuse the whole file for it."""
    assert parse_tokens(body(access_token="at", id_token=value)).id_token is None


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"<html>", b"\xff\xfe", b'"x"', b"[" * 99_999])
def test_what_is_no_object_brings_nothing(raw):
    """No parse raises, whatever a server or a wall in between says."""
    tokens = parse_tokens(raw)
    assert (tokens.access_token, tokens.refresh_token, tokens.id_token) == (None, None, None)
    assert error_code(raw) == ""
    assert json_object(raw) is None


def test_a_byte_order_mark_is_put_up_with():
    """Some gateways put one in front."""
    assert parse_tokens(b"\xef\xbb\xbf" + body(access_token="at")).access_token == Secret("at")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"error": {"code": "refresh_token_reused", "message": "x"}}, "refresh_token_reused"),
        ({"error": "invalid_grant", "error_description": "x"}, "invalid_grant"),
        ({"code": "refresh_token_expired", "message": "x"}, "refresh_token_expired"),
        ({"error": {"code": "Refresh_Token_REUSED"}}, "refresh_token_reused"),
        ({"error": " INVALID_GRANT "}, "invalid_grant"),
        ({"error": {"message": "x"}, "code": "top"}, "top"),
        ({"error": {"code": None}, "code": "top"}, "top"),
        ({"error": {"code": " "}, "code": "top"}, "top"),
        ({"error": "", "code": "top"}, "top"),
        ({"error": {"code": "inner"}, "code": "top"}, "inner"),
        ({"error": ["x"], "code": 5}, ""),
        ({"error": {"code": "x" * 500}}, "x" * 64),
        ({}, ""),
    ],
)
def test_the_error_word_is_found_in_three_places(fields, code):
    """``error.code``, ``error`` as a text, top-level ``code``: in this order, in lower case."""
    assert error_code(body(**fields)) == code


def test_a_request_names_the_program_that_sends_it() -> None:
    """The headers carry our own name and version, as a bot wall asks of honest programs."""
    assert JSON_HEADERS["User-Agent"] == f"codex-token-broker/{__version__}"
