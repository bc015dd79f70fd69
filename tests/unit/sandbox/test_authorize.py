"""Browser login at the sandbox issuer: what it asks of a link, a person and a code."""

import json
import os
from urllib.parse import parse_qs, urlsplit

import pytest

from fetchtoken.domain.claims import Claims, decode_claims
from fetchtoken.oauth.login.browser import authorize_url, redirect_uri
from fetchtoken.oauth.login.pkce import make_pkce
from fetchtoken.oauth.messages import OAUTH_CLIENT_ID
from tests.support.visitor import decide, post_form, visit


class Walk:
    """One login up to its code."""

    def __init__(self, issuer, **more):
        self.issuer = issuer
        self.pkce = make_pkce(os.urandom)
        self.link = authorize_url(issuer.url, client_id=OAUTH_CLIENT_ID, port=1455, pkce=self.pkce)
        self.back = parse_qs(urlsplit(decide(self.link, **more)).query)

    def redeem(self, **other):
        form = {
            "grant_type": "authorization_code",
            "client_id": OAUTH_CLIENT_ID,
            "code": self.back["code"][0],
            "redirect_uri": redirect_uri(1455),
            "code_verifier": self.pkce.verifier.reveal(),
        }
        wanted = {key: value for key, value in {**form, **other}.items() if value}
        page = post_form(self.issuer.token_url, **wanted)
        return page.status, json.loads(page.text)


def _code_of(answer):
    return answer["error"]["code"]


def test_a_code_brings_three_tokens_of_the_person_who_approved(issuer):
    """Approved and redeemed, a login is a family like any other, and its tokens work."""
    walk = Walk(issuer, email="ann@example.com")
    assert walk.back["state"] == [walk.pkce.state.reveal()]
    status, answer = walk.redeem()
    assert status == 200
    claims = Claims(decode_claims(answer["id_token"]) or {})
    assert (claims.email, claims.plan_type, claims.iss) == ("ann@example.com", "pro", issuer.url)
    assert issuer.alive(answer["access_token"])
    assert issuer.exchange(answer["refresh_token"])[0] == 200
    assert [entry["decision"] for entry in issuer.log()][:3] == ["asked", "approved", "logged in"]


def test_the_log_names_no_code(issuer):
    """Codes, states, verifiers and tokens are known by fingerprint only."""
    walk = Walk(issuer)
    answer = walk.redeem()[1]
    text = json.dumps(issuer.log())
    secrets = [walk.back["code"][0], walk.pkce.state.reveal(), walk.pkce.verifier.reveal()]
    for secret in (*secrets, answer["access_token"], answer["refresh_token"]):
        assert secret not in text


def test_a_known_person_logs_in_again_as_the_same_account(issuer):
    """Whoever is known by address comes back with the same identity, in a login of its own."""
    before = issuer.mint(email="ann@example.com")
    answer = Walk(issuer, email="ann@example.com").redeem()[1]
    claims = Claims(decode_claims(answer["access_token"]) or {})
    assert claims.account_id == before.account_id
    assert issuer.exchange(before.refresh_token)[0] == 200


def test_a_denial_goes_back_with_its_word(issuer):
    """Deny sends the browser back with ``access_denied`` and the state, and no code."""
    back = Walk(issuer, decision="deny").back
    assert back["error"] == ["access_denied"]
    assert "code" not in back


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        ("response_type=code", "response_type=token", 303),
        ("code_challenge_method=S256", "code_challenge_method=plain", 303),
        ("code_challenge=", "code_challenge=x", 303),
        ("state=", "state=&was=", 303),
        ("offline_access", "nothing", 303),
        ("state=", "state=twice&state=", 303),
        ("client_id=app", "client_id=nobody", 400),
        ("%3A1455", "%3A1456", 400),
        ("127.0.0.1", "example.com", 400),
        ("redirect_uri=", "redirect_url=", 400),
    ],
)
def test_a_link_with_anything_wrong_is_refused(issuer, old, new, status):
    """Only a proven redirect hears of an error; any other is told to the person alone."""
    link = authorize_url("", client_id=OAUTH_CLIENT_ID, port=1455, pkce=make_pkce(os.urandom))
    page = visit(issuer.url + link.replace(old, new, 1))
    assert page.status == status
    assert page.location.startswith("http://127.0.0.1:1455/auth/callback?error=") == (status == 303)
    assert issuer.log()[-1]["decision"].startswith("refused: ")


@pytest.mark.parametrize(
    ("field", "value", "status", "code"),
    [
        ("code", "", 400, "invalid_request"),
        ("code_verifier", "", 400, "invalid_request"),
        ("redirect_uri", "", 400, "invalid_request"),
        ("client_id", "nobody", 401, "invalid_client"),
        ("code", "ac_unknown", 400, "invalid_grant"),
        ("code_verifier", "v" * 86, 400, "invalid_grant"),
        ("code_verifier", "short", 400, "invalid_grant"),
        ("redirect_uri", redirect_uri(1457), 400, "invalid_grant"),
    ],
)
def test_a_code_needs_everything_that_belongs_to_it(issuer, field, value, status, code):
    """A missing or foreign field brings no tokens."""
    answer = Walk(issuer).redeem(**{field: value})
    assert (answer[0], _code_of(answer[1])) == (status, code)


def test_a_code_that_was_tried_wrongly_is_burned(issuer):
    """One wrong verifier, and the right one comes too late."""
    walk = Walk(issuer)
    assert walk.redeem(code_verifier="v" * 86)[0] == 400
    assert walk.redeem()[0] == 400


def test_a_code_used_again_ends_its_login(issuer):
    """RFC 6749 §4.1.2: the tokens of the first use die with the second."""
    walk = Walk(issuer)
    tokens = walk.redeem()[1]
    status, answer = walk.redeem()
    assert (status, _code_of(answer)) == (400, "invalid_grant")
    assert not issuer.alive(tokens["access_token"])
    assert "code used again: login revoked" in [entry["decision"] for entry in issuer.log()]


def test_codes_and_requests_get_old(issuer):
    """A code lives a minute, a page a quarter of an hour."""
    walk = Walk(issuer)
    issuer.settings(offset_s=61)
    assert _code_of(walk.redeem()[1]) == "invalid_grant"
    link = authorize_url(issuer.url, client_id=OAUTH_CLIENT_ID, port=1455, pkce=walk.pkce)
    page = visit(link)
    number = page.text.partition('name="request" value="')[2].partition('"')[0]
    issuer.settings(offset_s=1000)
    late = post_form(f"{issuer.url}/oauth/authorize", request=number, decision="deny")
    assert (late.status, "too long" in late.text) == (400, True)


def test_a_code_is_exchanged_by_form_only(issuer):
    """RFC 6749 §4.1.3 knows one encoding, and so does the sandbox."""
    body = {"grant_type": "authorization_code", "code": "ac_x", "client_id": OAUTH_CLIENT_ID}
    assert issuer.ask("POST", "/oauth/token", body=body)[0] == 400


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Sec_Fetch_Site": "cross-site"}, {"Origin": "http://127.0.0.1:1"}],
)
def test_another_page_cannot_press_the_buttons(issuer, headers):
    """A form that comes from elsewhere decides nothing."""
    link = authorize_url(issuer.url, client_id=OAUTH_CLIENT_ID, port=1455, pkce=make_pkce(os.urandom))
    number = visit(link).text.partition('name="request" value="')[2].partition('"')[0]
    form = {"request": number, "decision": "approve", "account": "new", "email": "a@b.c", "plan": "pro"}
    for path in ("/oauth/authorize", "/codex/device"):
        page = visit(issuer.url + path, method="POST", form=form, **headers)
        assert (page.status, page.location) == (400, "")
    assert "approved" not in [entry["decision"] for entry in issuer.log()]


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"decision": "approve"},
        {"decision": "approve", "account": "nobody"},
        {"decision": "approve", "account": "new", "email": "no address", "plan": "pro"},
        {"decision": "approve", "account": "new", "email": "a@b.c", "plan": "platinum"},
        {"decision": "perhaps", "account": "new", "email": "a@b.c", "plan": "pro"},
    ],
)
def test_a_form_that_says_nothing_decides_nothing(issuer, form):
    """Without a proper choice nobody is logged in."""
    assert post_form(f"{issuer.url}/oauth/authorize", request="x", **form).status == 400
    assert post_form(f"{issuer.url}/codex/device", user_code="x", **form).status == 400


def test_the_pages_bring_nothing_from_elsewhere(issuer):
    """No script, no frame, no foreign resource; the form leads here and to the program that asked."""
    login = issuer.mint(email="<b>@example.com")
    link = authorize_url(issuer.url, client_id=OAUTH_CLIENT_ID, port=1457, pkce=make_pkce(os.urandom))
    for url, target in ((link, " http://127.0.0.1:1457;"), (f"{issuer.url}/codex/device", ";")):
        page = visit(url)
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert f"form-action 'self'{target}" in policy
        assert "frame-ancestors 'none'" in policy
        assert "<script" not in page.text
        assert "<b>@example.com" not in page.text
        assert login.login_id in page.text
        assert page.headers["cache-control"] == "no-store"
