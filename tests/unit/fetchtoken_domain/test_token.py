import pytest

from fetchtoken.domain.claims import unsigned_jwt
from fetchtoken.domain.secret import Secret
from fetchtoken.domain.token import Token, refresh_due_at

AUTH = "https://api.openai.com/auth"


def test_times_come_from_the_access_token_and_identity_from_the_id_token():
    """As in Codex: ``exp`` and ``iat`` of the access token, account and plan of the id token."""
    access = unsigned_jwt(
        {"exp": 200, "iat": 100, AUTH: {"chatgpt_account_id": "a", "chatgpt_plan_type": "free"}}
    )
    identity = unsigned_jwt({"exp": 7, AUTH: {"chatgpt_account_id": "b", "chatgpt_plan_type": "pro"}})
    token = Token.from_jwt(access, id_token=identity, account="work", source="local")
    assert (token.expires_at, token.issued_at) == (200, 100)
    assert (token.account_id, token.plan_type) == ("b", "pro")
    assert (token.account, token.source) == ("work", "local")
    assert token.access_token == Secret(access)


def test_the_account_id_of_the_file_wins():
    """What the auth file says of the account beats both tokens."""
    access = unsigned_jwt({AUTH: {"chatgpt_account_id": "a"}})
    assert Token.from_jwt(access, account_id="file").account_id == "file"
    assert Token.from_jwt(access).account_id == "a"


def test_an_opaque_token_lives_until_it_is_refused():
    """Where nobody can tell the end, none is assumed."""
    token = Token.from_jwt("opaque")
    assert token.expires_at is None
    assert token.seconds_left(1e10) == float("inf")


def test_no_token_at_all_has_no_life_left():
    """An empty access token counts as expired, not as one without an end."""
    assert Token.from_jwt("").seconds_left(0) == 0


def test_seconds_left_can_be_negative():
    """The end may have passed."""
    token = Token.from_jwt(unsigned_jwt({"exp": 200}))
    assert token.seconds_left(150) == 50
    assert token.seconds_left(250) == -50


@pytest.mark.parametrize("part", [0.0, 0.5, 0.6, 1.0])
def test_a_token_is_due_after_a_part_of_its_life(part):
    """Issued + part of the life."""
    assert refresh_due_at(100, 200, part=part) == 100 + 100 * part


def test_the_repr_names_it_without_showing_it():
    """A token in a log line or assertion shows account and end only."""
    token = Token(access_token=Secret("canary-at"), expires_at=5, account="work", source="remote")
    assert repr(token) == "Token(account='work', source='remote', expires_at=5)"
