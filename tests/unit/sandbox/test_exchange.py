"""What the sandbox issuer answers to honest and dishonest requests."""

import json
from http.client import HTTPConnection
from urllib.parse import urlencode, urlsplit

import pytest

from fetchtoken.domain.claims import Claims, decode_claims
from fetchtoken.formats.codex import parse_auth_file
from fetchtoken.oauth.messages import OAUTH_CLIENT_ID


def _claims(token):
    payload = decode_claims(token)
    assert payload is not None
    return Claims(payload)


def test_an_exchange_brings_three_new_tokens(issuer):
    """An exchange answers with a new access, refresh and id token of the same identity."""
    login = issuer.mint(email="a@example.com", plan_type="team", life_s=7200)
    status, answer = issuer.exchange(login.refresh_token, refresh_reason="scheduled", whatever=[1])
    assert status == 200
    assert answer["token_type"] == "Bearer"
    assert answer["expires_in"] == 7200
    assert answer["refresh_token"].startswith("rt_")
    new = {answer[key] for key in ("access_token", "refresh_token", "id_token")}
    assert new.isdisjoint({login.access_token, login.refresh_token, login.id_token})
    claims = _claims(answer["access_token"])
    assert (claims.email, claims.plan_type, claims.account_id) == ("a@example.com", "team", login.account_id)
    assert claims.iss == issuer.url
    assert claims.exp - claims.iat == 7200
    assert claims.user_id == _claims(answer["id_token"]).user_id == _claims(login.id_token).user_id


def test_a_minted_login_is_an_auth_file_that_names_its_issuer(issuer):
    """A minted login reads as Codex's own auth.json and refreshes at this issuer by provenance."""
    auth = parse_auth_file(json.dumps(issuer.mint().document), "auth.json")
    assert auth.kind == "chatgpt"
    assert auth.provenance_issuer == issuer.url
    assert auth.provenance_client_id == OAUTH_CLIENT_ID
    assert auth.account_id == auth.token().account_id
    assert auth.token().expires_at - auth.last_refresh == 864_000


def test_a_login_can_be_minted_expired(issuer):
    """``age_s`` puts the first tokens into the past, and the usage endpoint knows it."""
    login = issuer.mint(life_s=3600, age_s=7200)
    claims = _claims(login.access_token)
    assert claims.exp - claims.iat == 3600
    assert not issuer.alive(login.access_token)
    assert issuer.log()[-1]["decision"] == "refused: token_expired"


def test_a_form_is_as_good_as_json(issuer):
    """The token endpoint takes RFC 6749's own encoding too."""
    login = issuer.mint()
    body = urlencode(
        {"client_id": OAUTH_CLIENT_ID, "grant_type": "refresh_token", "refresh_token": login.refresh_token}
    )
    connection = HTTPConnection(urlsplit(issuer.url).netloc)
    connection.request("POST", "/oauth/token", body, {"Content-Type": "application/x-www-form-urlencoded"})
    response = connection.getresponse()
    assert response.status == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert json.loads(response.read())["refresh_token"] != login.refresh_token
    connection.close()


def test_a_chain_of_exchanges_counts_generations(issuer):
    """Each rotation adds one to the generation, and older access tokens live on."""
    login = issuer.mint()
    token = login.refresh_token
    for _ in range(3):
        token = issuer.exchange(token)[1]["refresh_token"]
    assert issuer.login(login.login_id)["generation"] == 3
    assert [entry["generation"] for entry in issuer.exchanges()] == [0, 1, 2]
    assert issuer.alive(login.access_token)


def test_a_spent_token_revokes_the_family_with_its_access_tokens(issuer):
    """A replay is answered with reused, and nothing of the family works any more."""
    login, other = issuer.mint(), issuer.mint()
    _, answer = issuer.exchange(login.refresh_token)
    status, refused = issuer.exchange(login.refresh_token)
    assert (status, refused["error"]["code"]) == (401, "refresh_token_reused")
    assert not issuer.alive(login.access_token)
    assert not issuer.alive(answer["access_token"])
    status, refused = issuer.exchange(answer["refresh_token"])
    assert (status, refused["error"]["code"]) == (401, "refresh_token_invalidated")
    assert issuer.login(login.login_id)["revoked"]
    assert [entry["decision"] for entry in issuer.exchanges()] == [
        "rotated",
        "reused: family revoked",
        "refused: refresh_token_invalidated",
    ]
    assert issuer.alive(other.access_token)


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"client_id": "app_stranger"}, 401, "invalid_client"),
        ({"client_id": None}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": None}, 400, "invalid_request"),
        ({"refresh_token": ""}, 400, "invalid_request"),
        ({"refresh_token": None}, 400, "invalid_request"),
        ({"refresh_token": ["rt_x"]}, 400, "invalid_request"),
        ({"refresh_token": "rt_unknown"}, 400, "invalid_grant"),
        ({"refresh_token": "cbr_of_a_broker"}, 400, "invalid_grant"),
    ],
)
def test_a_wrong_request_is_refused_and_spends_nothing(issuer, change, status, code):
    """What is wrong with a request is named, and the refresh token stays good."""
    login = issuer.mint()
    got, answer = issuer.exchange(**{"refresh_token": login.refresh_token, **change})
    assert (got, answer["error"]["code"]) == (status, code)
    assert issuer.exchange(login.refresh_token)[0] == 200


def test_an_access_token_is_no_refresh_token(issuer):
    """The token endpoint refuses an access token."""
    assert issuer.exchange(issuer.mint().access_token)[1]["error"]["code"] == "invalid_grant"


def test_a_token_of_another_oauth_client_is_refused(issuer):
    """A refresh token works only for the OAuth client to which it was given."""
    login = issuer.mint(client_id="app_other")
    assert issuer.exchange(login.refresh_token)[1]["error"]["code"] == "invalid_grant"
    assert issuer.exchange(login.refresh_token, client_id="app_other")[0] == 200


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"{", b'"rt_x"'])
def test_a_body_that_is_no_object_is_an_invalid_request(issuer, body):
    """Nonsense in the body is a refusal, never a crash."""
    connection = HTTPConnection(urlsplit(issuer.url).netloc)
    connection.request("POST", "/oauth/token", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    assert (response.status, json.loads(response.read())["error"]["code"]) == (400, "invalid_request")
    connection.close()


@pytest.mark.parametrize(
    ("shape", "find"),
    [
        ("nested", lambda answer: answer["error"]["code"]),
        ("string", lambda answer: answer["error"]),
        ("top", lambda answer: answer["code"]),
    ],
)
def test_an_error_has_the_shape_that_was_asked_for(issuer, shape, find):
    """Each of the three places of an error's code can be had."""
    issuer.settings(error_shape=shape)
    assert find(issuer.exchange("rt_unknown")[1]) == "invalid_grant"


@pytest.mark.parametrize("which", ["refresh_token", "access_token"])
def test_revoking_any_token_ends_the_family(issuer, which):
    """RFC 7009: after a revocation neither token of the family works."""
    login = issuer.mint()
    body = {"token": getattr(login, which), "token_type_hint": which, "client_id": OAUTH_CLIENT_ID}
    assert issuer.ask("POST", "/oauth/revoke", body=body)[0] == 200
    assert not issuer.alive(login.access_token)
    assert issuer.exchange(login.refresh_token)[1]["error"]["code"] == "refresh_token_invalidated"


def test_revoking_an_unknown_token_is_no_error(issuer):
    """RFC 7009 §2.2: an invalid token is answered with 200."""
    body = {"token": "rt_unknown", "client_id": OAUTH_CLIENT_ID}
    assert issuer.ask("POST", "/oauth/revoke", body=body)[0] == 200


@pytest.mark.parametrize(
    ("change", "status"),
    [({"client_id": "app_stranger"}, 401), ({"token": ""}, 400), ({"client_id": "app_second"}, 400)],
)
def test_a_wrong_revocation_changes_nothing(issuer, change, status):
    """A revocation without token, or by another client, is refused and the family lives."""
    issuer.mint(client_id="app_second")
    login = issuer.mint()
    body = {"token": login.refresh_token, "client_id": OAUTH_CLIENT_ID, **change}
    assert issuer.ask("POST", "/oauth/revoke", body=body)[0] == status
    assert issuer.alive(login.access_token)


def test_usage_has_the_shape_that_codex_reads(issuer):
    """The usage endpoint names the plan and both windows with integer percents and ends."""
    login = issuer.mint(plan_type="plus")
    status, body = issuer.ask("GET", "/backend-api/wham/usage", bearer=login.access_token)
    usage = json.loads(body)
    assert status == 200
    assert usage["plan_type"] == "plus"
    assert usage["account_id"] == login.account_id
    for name, length_s in (("primary_window", 18_000), ("secondary_window", 604_800)):
        window = usage["rate_limit"][name]
        assert window["limit_window_seconds"] == length_s
        assert all(type(value) is int for value in window.values())
        assert 0 < window["reset_after_seconds"] <= length_s


@pytest.mark.parametrize("bearer", ["", "nonsense", "rt_x"])
def test_usage_refuses_what_is_no_access_token(issuer, bearer):
    """Without an access token of this issuer there is no usage."""
    assert not issuer.alive(bearer)


def test_usage_refuses_a_refresh_token(issuer):
    """A refresh token is no bearer."""
    assert not issuer.alive(issuer.mint().refresh_token)


def test_the_clock_can_be_put_forward(issuer):
    """Tokens expire and are issued by the issuer's own clock."""
    login = issuer.mint(life_s=3600)
    issuer.settings(offset_s=7200)
    assert not issuer.alive(login.access_token)
    new = issuer.exchange(login.refresh_token)[1]["access_token"]
    assert issuer.alive(new)
    assert _claims(new).iat - _claims(login.access_token).iat >= 7200


def test_the_life_of_later_logins_can_be_set(issuer):
    """The server's setting holds for logins without a life of their own."""
    issuer.settings(life_s=600)
    claims = _claims(issuer.mint().access_token)
    assert claims.exp - claims.iat == 600


def test_an_administrator_can_end_a_login(issuer):
    """A login revoked from the outside is invalidated, not reused."""
    login = issuer.mint()
    issuer.revoke_login(login.login_id)
    assert issuer.exchange(login.refresh_token)[1]["error"]["code"] == "refresh_token_invalidated"
    assert not issuer.alive(login.access_token)
