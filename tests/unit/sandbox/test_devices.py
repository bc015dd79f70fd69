"""Device login at the sandbox issuer: OpenAI's own flow, field by field."""

import json

import pytest

from fetchtoken.domain.secret import Secret
from fetchtoken.oauth.login.device import DeviceCode, page_url, poll_body, redirect_uri, usercode_body
from fetchtoken.oauth.login.pkce import challenge_of
from fetchtoken.oauth.messages import OAUTH_CLIENT_ID
from tests.support.visitor import approve_device, post_form, visit

USERCODE = "/api/accounts/deviceauth/usercode"
TOKEN = "/api/accounts/deviceauth/token"


@pytest.fixture
def patient(issuer):
    """An issuer that lets itself be asked without a pause."""
    issuer.settings(device_interval_s=0)
    return issuer


def begin(issuer):
    status, body = issuer.ask("POST", USERCODE, body={"client_id": OAUTH_CLIENT_ID})
    assert status == 200
    return json.loads(body)


def poll(issuer, given, **other):
    body = {"device_auth_id": given["device_auth_id"], "user_code": given["user_code"], **other}
    status, raw = issuer.ask("POST", TOKEN, body=body)
    return status, json.loads(raw)


def test_the_interval_is_a_text(issuer):
    """The real Codex aborts at a number."""
    given = begin(issuer)
    assert given["interval"] == "5"
    assert set(given) == {"device_auth_id", "user_code", "interval"}
    assert json.loads(usercode_body(OAUTH_CLIENT_ID)) == {"client_id": OAUTH_CLIENT_ID}


def test_a_device_waits_gets_its_code_and_redeems_it(patient):
    """403 until somebody approves, then the code with the issuer's own PKCE pair, then three tokens."""
    given = begin(patient)
    assert poll(patient, given)[0] == 403
    typed = given["user_code"].lower().replace("-", " ")
    assert "Approved" in approve_device(patient.url, typed, email="ann@example.com").text
    status, answer = poll(patient, given)
    assert status == 200
    assert answer["code_challenge"] == challenge_of(answer["code_verifier"])
    page = post_form(
        patient.token_url,
        grant_type="authorization_code",
        client_id=OAUTH_CLIENT_ID,
        code=answer["authorization_code"],
        redirect_uri=redirect_uri(patient.url),
        code_verifier=answer["code_verifier"],
    )
    assert page.status == 200
    assert {"access_token", "refresh_token", "id_token"} <= set(json.loads(page.text))
    words = [entry["decision"] for entry in patient.log()]
    assert words == ["device code given", "pending", "approved", "code given", "logged in"]


def test_a_code_is_handed_out_once(patient):
    """Whoever asks again after the code came hears that it is gone."""
    given = begin(patient)
    approve_device(patient.url, given["user_code"])
    assert poll(patient, given)[0] == 200
    status, answer = poll(patient, given)
    assert (status, answer["error"]["code"]) == (400, "expired_token")


def test_denied_and_expired_end_the_waiting(patient):
    """Both are 400 with their word, which no client takes for "not yet"."""
    given = begin(patient)
    assert "Denied" in approve_device(patient.url, given["user_code"], decision="deny").text
    assert poll(patient, given)[1]["error"]["code"] == "access_denied"
    given = begin(patient)
    patient.settings(offset_s=901)
    assert poll(patient, given)[1]["error"]["code"] == "expired_token"
    late = approve_device(patient.url, given["user_code"])
    assert (late.status, "no good any more" in late.text) == (400, True)


def test_each_code_is_decided_once(patient):
    """A second decision, and a code that nobody has, are told on the page."""
    given = begin(patient)
    approve_device(patient.url, given["user_code"], decision="deny")
    for code in (given["user_code"], "BBBB-BBBB", "<b>"):
        page = approve_device(patient.url, code)
        assert page.status == 400
        assert "No login waits for this code." in page.text
        assert "<b>" not in page.text.replace("</b>", "")
    assert poll(patient, given)[1]["error"]["code"] == "access_denied"


def test_polling_too_fast_is_told(issuer):
    """The second poll within five seconds is one too many."""
    given = begin(issuer)
    assert poll(issuer, given)[0] == 403
    status, answer = poll(issuer, given)
    assert (status, answer["error"]["code"]) == (400, "slow_down")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (USERCODE, {}, 400),
        (USERCODE, {"client_id": 1}, 400),
        (USERCODE, {"client_id": "nobody"}, 401),
        (TOKEN, {}, 400),
        (TOKEN, {"device_auth_id": "x"}, 400),
        (TOKEN, {"device_auth_id": "x", "user_code": "BBBB-BBBB"}, 404),
    ],
)
def test_what_is_missing_or_unknown(issuer, path, body, status):
    """Each field is looked at; an unknown device is 404, as the real issuer's pending ones may be."""
    assert issuer.ask("POST", path, body=body)[0] == status


def test_both_halves_of_a_device_are_needed(patient):
    """The right id with another user code is nobody's."""
    given = begin(patient)
    assert poll(patient, given, user_code="BBBB-BBBB")[0] == 404
    device = DeviceCode(Secret(given["device_auth_id"]), given["user_code"], 5)
    assert json.loads(poll_body(device)) == {key: given[key] for key in ("device_auth_id", "user_code")}


def test_the_page_asks_for_the_code(issuer):
    """What the link of a device login opens."""
    page = visit(page_url(issuer.url))
    assert page.status == 200
    assert 'name="user_code"' in page.text
