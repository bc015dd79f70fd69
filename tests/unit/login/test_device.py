"""The device flow's answers, as OpenAI gives them and as nobody should."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetchtoken.domain.errors import Denied, FetchTokenError, Malformed, Unavailable
from fetchtoken.oauth.login.device import Poll, page_url, read_poll, read_usercode, redirect_uri


def said(**fields):
    return json.dumps(fields).encode()


GIVEN = {"device_auth_id": "d", "user_code": "ABCD-12345"}


@pytest.mark.parametrize(
    ("interval", "seconds"),
    [
        ("5", 5),
        ("07", 7),
        (6, 6),
        (2.5, 2.5),
        ("0", 1),
        (-3, 1),
        ("900", 60),
        ("soon", 5),
        (None, 5),
        (True, 5),
    ],
)
def test_the_interval_however_it_is_written(interval, seconds):
    """OpenAI writes a text; a pause is never shorter than a second nor longer than a minute."""
    assert read_usercode(200, said(**GIVEN, interval=interval)).interval_s == seconds


def test_the_code_has_two_names():
    """``usercode`` is what Codex also takes."""
    code = read_usercode(201, said(device_auth_id="d", usercode="ABCD-12345"))
    assert (code.user_code, code.device_auth_id.reveal(), code.interval_s) == ("ABCD-12345", "d", 5)


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (404, b"", Unavailable, "offers no device login"),
        (500, b"", Unavailable, "status 500"),
        (403, b"<html>", Unavailable, "status 403"),
        (200, b"<html>", Malformed, "cannot be read"),
        (200, said(user_code="A"), Malformed, "cannot be read"),
        (200, said(device_auth_id="", user_code="A"), Malformed, "cannot be read"),
        (200, said(device_auth_id="d", user_code="\x1b[31m"), Malformed, "cannot be read"),
        (200, said(device_auth_id="d", user_code="A" * 65), Malformed, "cannot be read"),
        (200, said(device_auth_id="d", user_code=7), Malformed, "cannot be read"),
    ],
)
def test_no_code(status, body, kind, words):
    """What is no code names what to do instead; nothing that a terminal acts on is shown."""
    with pytest.raises(kind, match=words) as caught:
        read_usercode(status, body)
    assert caught.value.hint


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("body", [b"", b"<html>", said(error="access_denied"), said(code="whatever")])
def test_not_yet(status, body):
    """403 and 404 mean "not yet" with any body, for that is all that OpenAI says."""
    assert read_poll(status, body) == Poll()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, b""),
        (500, b""),
        (503, b"x"),
        (400, said(error={"code": "slow_down"})),
        (400, said(error="slow_down")),
    ],
)
def test_slower(status, body):
    """Trouble and impatience make the pauses longer, and end nothing."""
    assert read_poll(status, body) == Poll(slower_s=5)


def test_the_standards_own_word_for_not_yet():
    """RFC 8628 says it with 400."""
    assert read_poll(400, said(error="authorization_pending")) == Poll()


def test_approved():
    """The code comes with the verifier that the issuer made."""
    poll = read_poll(200, said(authorization_code="ac", code_verifier="v", code_challenge="c"))
    assert poll.code is not None
    assert poll.verifier is not None
    assert (poll.code.reveal(), poll.verifier.reveal()) == ("ac", "v")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"", Malformed),
        (200, said(authorization_code="ac"), Malformed),
        (200, said(authorization_code="", code_verifier="v"), Malformed),
        (200, said(authorization_code=1, code_verifier="v"), Malformed),
        (400, said(error="access_denied"), Denied),
        (400, said(error={"code": "expired_token"}), Unavailable),
        (400, b"", Malformed),
        (401, b"", Malformed),
        (302, b"", Malformed),
    ],
)
def test_the_end(status, body, kind):
    """Denied, too late, or nothing that anybody knows."""
    with pytest.raises(kind) as caught:
        read_poll(status, body)
    assert caught.value.hint


@given(
    st.integers(200, 599),
    st.binary(max_size=60) | st.dictionaries(st.text(), st.text()).map(json.dumps).map(str.encode),
)
def test_no_answer_raises_anything_else(status, body):
    """Any status with any body is a code, a pause, or an error of the tree."""
    for read in (read_usercode, read_poll):
        try:
            read(status, body)
        except FetchTokenError:
            continue


def test_addresses():
    """Where the person goes, and the redirect that nobody follows."""
    assert page_url("https://auth.openai.com") == "https://auth.openai.com/codex/device"
    assert redirect_uri("https://auth.openai.com") == "https://auth.openai.com/deviceauth/callback"


@pytest.mark.parametrize("field", ["authorization_code", "code_verifier"])
@pytest.mark.parametrize("text", ["\ud800", "a b", "a\nb", "ä" * 20])
def test_an_approval_that_no_form_can_carry_is_no_approval(field, text):
    """A lone surrogate is JSON, and nothing that could be sent on."""
    fields = {"authorization_code": "ac_1", "code_verifier": "v", field: text}
    with pytest.raises(Malformed, match="approval cannot be read"):
        read_poll(200, said(**fields))
