import json
from base64 import urlsafe_b64encode

import pytest

from fetchtoken.domain.claims import Claims, decode_claims, unsigned_jwt

AUTH = "https://api.openai.com/auth"
PROFILE = "https://api.openai.com/profile"


def jwt(payload, *, padding=""):
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return f"e30.{urlsafe_b64encode(raw).decode().rstrip('=')}{padding}.c2ln"


@pytest.mark.parametrize("size", range(1, 9))
def test_a_payload_of_any_length_is_decoded(size):
    """Base64url without padding is read whatever its length modulo four."""
    payload = {"k": "é" * size}
    assert decode_claims(jwt(payload)) == payload
    assert decode_claims(unsigned_jwt(payload)) == payload


def test_both_special_characters_of_base64url_are_read():
    """``-`` and ``_`` stand for the two characters that URLs cannot hold."""
    payload = {"k": "\u00fb\u00ef\u00be???>>>~~~"}
    token = jwt(json.dumps(payload, ensure_ascii=False).encode())
    assert "-" in token or "_" in token
    assert decode_claims(token) == payload


def test_padding_is_put_up_with():
    """Padding, which RFC 7515 leaves out, is allowed."""
    assert decode_claims(jwt({"a": 1}, padding="=")) == {"a": 1}


@pytest.mark.parametrize(
    "token",
    [
        "",
        "opaque",
        "a.b",
        "a.b.c",
        "a.b.c.d",
        ".e30.c",
        "a..c",
        "a.e30.",
        "e30.e3.c",
        "e30.e30*.c",
        "e30.ü.c",
        jwt([1]),
        jwt(b"null"),
        jwt(b"{"),
        jwt(b"\xff\xfe"),
        jwt(b'{"a":NaN}'),
        jwt(b'{"a":' * 100_000),
        "e30." + "A" * 70_000 + ".c",
    ],
)
def test_what_is_no_jwt_gives_none(token):
    """Whatever has not three parts around a JSON object is no JWT, and nothing raises."""
    assert decode_claims(token) is None


def test_the_claims_that_matter_are_found():
    """Times, issuer, identity and plan come from where OpenAI puts them."""
    claims = Claims(
        {
            "exp": 2_000.9,
            "iat": 1_000,
            "iss": "https://auth.openai.com",
            AUTH: {"chatgpt_account_id": "acct", "chatgpt_user_id": "u", "chatgpt_plan_type": "pro"},
            PROFILE: {"email": "a@example.com"},
        }
    )
    assert (claims.exp, claims.iat, claims.iss) == (2_000, 1_000, "https://auth.openai.com")
    assert (claims.account_id, claims.user_id, claims.plan_type) == ("acct", "u", "pro")
    assert claims.email == "a@example.com"


def test_older_places_are_fallbacks():
    """``user_id`` stands in for ``chatgpt_user_id``; a top-level e-mail beats the profile's."""
    claims = Claims(
        {"email": "top@example.com", AUTH: {"user_id": "old"}, PROFILE: {"email": "p@example.com"}}
    )
    assert (claims.user_id, claims.email) == ("old", "top@example.com")


@pytest.mark.parametrize(
    "value",
    [None, True, "1", [], {}, -1, 1e12, float("nan"), float("inf"), pytest.param(10**400, id="huge")],
)
def test_a_time_of_another_shape_is_no_time(value):
    """Only a plain number from 1970 to the year 5138 counts."""
    claims = Claims({"exp": value, "iat": value})
    assert (claims.exp, claims.iat) == (None, None)


@pytest.mark.parametrize("value", [None, 1, [], {"a": 1}, True])
def test_a_text_of_another_shape_is_empty(value):
    """Wrong types are as good as missing, one level down too."""
    claims = Claims({"iss": value, "email": value, AUTH: value, PROFILE: {"email": value}})
    assert (claims.iss, claims.email, claims.account_id, claims.plan_type) == ("", "", "", "")


def test_an_unsigned_jwt_has_the_shape_that_codex_wants():
    """Three non-empty parts of base64url without padding, the second a JSON object."""
    parts = unsigned_jwt({"exp": 1, AUTH: {"chatgpt_plan_type": "pro"}}).split(".")
    assert len(parts) == 3
    assert all(part and set(part).isdisjoint("=+/") for part in parts)
    assert decode_claims(unsigned_jwt({})) == {}
