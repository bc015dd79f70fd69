"""The link that is opened, and what comes back."""

from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetchtoken.domain.errors import Denied, FetchTokenError, Malformed, Unavailable, Unsafe
from fetchtoken.domain.secret import Secret
from fetchtoken.oauth.login.browser import authorize_url, is_answer, read_answer, read_paste
from fetchtoken.oauth.login.pkce import make_pkce

STATE = Secret("s" * 43)
BACK = "http://127.0.0.1:1455/auth/callback"


def answer(**fields):
    return urlencode({"state": STATE.reveal(), **fields})


def test_the_link_has_codexs_parameters_in_codexs_order():
    """Name for name and value for value what the real Codex sends."""
    pkce = make_pkce(lambda size: bytes(range(size)))
    link = authorize_url("https://auth.openai.com", client_id="app_x", port=1457, pkce=pkce)
    parts = urlsplit(link)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == "https://auth.openai.com/oauth/authorize"
    assert parse_qsl(parts.query) == [
        ("response_type", "code"),
        ("client_id", "app_x"),
        ("redirect_uri", "http://127.0.0.1:1457/auth/callback"),
        ("code_challenge", pkce.challenge),
        ("code_challenge_method", "S256"),
        ("state", pkce.state.reveal()),
        ("scope", "openid profile email offline_access api.connectors.read api.connectors.invoke"),
        ("id_token_add_organizations", "true"),
        ("codex_cli_simplified_flow", "true"),
        ("originator", "codex_cli_rs"),
    ]
    assert pkce.verifier.reveal() not in link


def test_an_answer_with_the_right_state_brings_its_code():
    """Whatever else stands in it."""
    assert read_answer(answer(code="ac_1", scope="openid"), STATE).reveal() == "ac_1"


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("code=ac_1", Unsafe),
        ("code=ac_1&state=", Unsafe),
        ("code=ac_1&state=other", Unsafe),
        ("error=access_denied&state=other", Unsafe),
        ("code=ac_1&state=%C3%A4", Unsafe),
        ("code=ac_1&state=\udcf3", Unsafe),
        (answer(error="access_denied"), Denied),
        (answer(error="access_denied", error_description="missing_codex_entitlement"), Denied),
        (answer(error="server_error"), Unavailable),
        (answer(error="temporarily_unavailable"), Unavailable),
        (answer(error="invalid_scope"), Malformed),
        (answer(error=""), Malformed),
        (answer(), Malformed),
        (answer(code=""), Malformed),
        (answer(code="a\nb"), Malformed),
        (answer(code="ä"), Malformed),
        (answer(code="ac_1") + "&code=ac_2", Malformed),
        (answer(code="ac_1") + "&x=1" * 40, Unsafe),
        ("", Unsafe),
    ],
)
def test_any_other_answer_is_an_error(query, kind):
    """Wrong state before all, then the issuer's word, then what cannot be read."""
    with pytest.raises(kind) as caught:
        read_answer(query, STATE)
    assert caught.value.hint
    assert "ac_1" not in caught.value.message


def test_the_entitlement_has_its_own_words():
    """A workspace without Codex is told so, as Codex tells it."""
    with pytest.raises(Denied, match="no access to Codex"):
        read_answer(answer(error="access_denied", error_description="missing_codex_entitlement"), STATE)


@pytest.mark.parametrize(
    ("query", "means"), [("", False), ("x=1", False), ("code", True), ("state=a", True), ("error=b", True)]
)
def test_a_bare_visit_is_no_answer(query, means):
    """A request that brings none of the three fields is somebody looking."""
    assert is_answer(query) is means


@pytest.mark.parametrize(
    "pasted",
    [
        f"{BACK}?{answer(code='ac_1234567890123456')}",
        f"  {BACK}?{answer(code='ac_1234567890123456')}\n",
        f"http://localhost:1457/auth/callback?{answer(code='ac_1234567890123456')}#top",
        f"/auth/callback?{answer(code='ac_1234567890123456')}",
        answer(code="ac_1234567890123456"),
        "?" + answer(code="ac_1234567890123456"),
        "ac_1234567890123456",
    ],
)
def test_what_a_person_may_paste(pasted):
    """The whole address, its end, or the bare code."""
    assert read_paste(pasted, STATE).reveal() == "ac_1234567890123456"


@pytest.mark.parametrize(
    "pasted",
    [
        "y",
        "short",
        "two words that are long enough",
        "https://auth.openai.com/oauth/authorize?response_type=code&state=x",
        BACK,
        f"{BACK}?x=1",
        "http://[::1/auth/callback?code=x",
        "a" * 5000,
    ],
)
def test_anything_else_is_worth_another_try(pasted):
    """What is neither says what to paste instead."""
    with pytest.raises(Malformed) as caught:
        read_paste(pasted, STATE)
    assert "begins with http://127.0.0.1:1455/auth/callback" in caught.value.hint


def test_a_pasted_address_of_another_login_is_refused():
    """An old address, or a stranger's, has another state."""
    with pytest.raises(Unsafe):
        read_paste(f"{BACK}?code=ac_1234567890123456&state=other", STATE)


@given(st.text(max_size=200))
def test_nothing_that_comes_back_raises_anything_else(text):
    """Any query and any paste gives a code or an error of the tree."""
    for read in (read_answer, read_paste):
        try:
            code = read(text, STATE)
        except FetchTokenError:
            continue
        assert code.reveal().isascii()


@given(st.text("abcdefXYZ0189-._~", min_size=1, max_size=80))
def test_an_answer_is_read_as_it_was_written(code):
    """Every code comes through, by link and by paste."""
    query = answer(code=code)
    assert read_answer(query, STATE).reveal() == code
    assert read_paste(f"{BACK}?{query}", STATE).reveal() == code
