import json
import time
from email.utils import formatdate
from itertools import product

import pytest

from fetchtoken.domain.claims import unsigned_jwt
from fetchtoken.domain.secret import Secret
from fetchtoken.oauth.outcome import Answer, Kind, classify

NOW_S = 1_796_033_472.0
CANARY = "canary-71aa"
REFUSALS = ("refresh_token_reused", "refresh_token_expired", "refresh_token_invalidated", "invalid_grant")
SHAPES = {
    "nested": lambda code: {"error": {"code": code, "message": CANARY}},
    "string": lambda code: {"error": code, "error_description": CANARY},
    "top": lambda code: {"code": code, "message": CANARY},
}


def answer(status, value=b"", *, complete=True, **headers):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    names = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(sent=True, status=status, headers=names, body=body, complete=complete)


def kind_of(*args, **more):
    return classify(answer(*args, **more), now_s=NOW_S).kind


def test_a_request_that_did_not_leave_whole_is_not_sent():
    """DNS, connect, TLS, CONNECT refused, fewer bytes than Content-Length: one class, its reason kept."""
    outcome = classify(Answer(sent=False, reason="cannot connect"), now_s=NOW_S)
    assert (outcome.kind, outcome.detail) == (Kind.NOT_SENT, "cannot connect")
    # Whatever else such a record says, not sent is not sent.
    assert classify(Answer(sent=False, status=401, complete=True), now_s=NOW_S).kind is Kind.NOT_SENT


def test_no_answer_is_unknown():
    """Handed over, nothing came back: nobody knows."""
    outcome = classify(Answer(sent=True, reason="connection reset"), now_s=NOW_S)
    assert (outcome.kind, outcome.code, outcome.detail) == (Kind.UNKNOWN, "no_answer", "connection reset")


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_a_2xx_with_an_access_token_is_tokens(status):
    """Every other field is optional."""
    outcome = classify(answer(status, {"access_token": "at"}), now_s=NOW_S)
    assert outcome.kind is Kind.TOKENS
    assert outcome.tokens.access_token == Secret("at")
    assert outcome.tokens.refresh_token is None


def test_a_torn_2xx_whose_json_is_whole_is_tokens():
    """The end of the framing may be missing; what counts is that the tokens are there."""
    assert kind_of(200, {"access_token": "at", "refresh_token": "rt"}, complete=False) is Kind.TOKENS


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"{",
        b"[]",
        b'{"access_token":""}',
        b'{"access_token":null}',
        b'{"access_token":"a b"}',
    ],
)
@pytest.mark.parametrize("complete", [True, False])
def test_a_2xx_without_a_usable_access_token_is_unknown(body, complete):
    """The rotation may have happened."""
    assert kind_of(200, body, complete=complete) is Kind.UNKNOWN


def test_a_2xx_with_only_a_refresh_token_keeps_it():
    """It is the only key to the login from now on."""
    outcome = classify(answer(200, {"refresh_token": "rt2"}), now_s=NOW_S)
    assert outcome.kind is Kind.UNKNOWN
    assert outcome.tokens.refresh_token == Secret("rt2")
    assert classify(answer(200, {"id_token": unsigned_jwt({})}), now_s=NOW_S).tokens is None


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("code", "status"), list(product(REFUSALS, [400, 401, 403])))
@pytest.mark.parametrize("case", [str.lower, str.upper], ids=["lower", "upper"])
def test_a_refusal_by_word_is_refused(shape, code, status, case):
    """Four words, three statuses, three shapes, in either case."""
    outcome = classify(answer(status, SHAPES[shape](case(code))), now_s=NOW_S)
    assert (outcome.kind, outcome.code) == (Kind.REFUSED, code)


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"error":"something_else"}'])
def test_any_other_401_is_refused(body):
    """With any body, or none."""
    outcome = classify(answer(401, body), now_s=NOW_S)
    assert (outcome.kind, outcome.code) == (Kind.REFUSED, "http_401")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("status", [302, 404, 422, 429, 503])
def test_the_words_of_a_refusal_count_with_three_statuses_only(shape, status):
    """A gateway that echoes such a word with another status does not cost the login."""
    assert kind_of(status, SHAPES[shape]("refresh_token_reused")) is Kind.TRY_LATER


@pytest.mark.parametrize(
    "status", [300, 301, 302, 307, 308, 400, 403, 404, 405, 408, 418, 422, 429, 499, 503]
)
def test_a_complete_3xx_4xx_or_503_is_try_later(status):
    """Whatever the page says, the request was turned away whole."""
    for body in (b"", b"<html>Just a moment</html>", b'{"error":"access_denied"}'):
        assert kind_of(status, body) is Kind.TRY_LATER


@pytest.mark.parametrize("status", [500, 501, 502, 504, 520, 599])
def test_any_other_5xx_is_unknown(status):
    """It may have failed behind the commit."""
    assert kind_of(status, SHAPES["nested"]("refresh_token_reused")) is Kind.UNKNOWN


@pytest.mark.parametrize("status", [302, 400, 401, 403, 429, 500, 503])
def test_a_torn_answer_is_unknown(status):
    """A refusal must be read whole to be believed."""
    assert kind_of(status, SHAPES["nested"]("invalid_grant"), complete=False) is Kind.UNKNOWN


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [
        ("", None),
        ("0", 0.0),
        ("17", 17.0),
        (" 17 ", 17.0),
        ("99999999999999", 86_400.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
        (formatdate(NOW_S + 90, usegmt=True), 90.0),
        (formatdate(NOW_S - 90, usegmt=True), 0.0),
        (formatdate(NOW_S + 1e6, usegmt=True), 86_400.0),
        ("Mon Nov 30 10:12:42 2026", 90.0),
        ("Monday, 30-Nov-26 10:12:42 GMT", 90.0),
        ("Mon, 30 Nov 2026 10:12:42 -0000", 90.0),
        ("Mon, 99 Nov 2026 10:12:42 GMT", None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_read_as_seconds_or_date(status, text, wait_s, monkeypatch):
    """All three date forms of RFC 9110 §5.6.7 mean GMT, wherever this machine stands."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        outcome = classify(answer(status, b"", retry_after=text), now_s=NOW_S)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert outcome.kind is Kind.TRY_LATER
    assert outcome.retry_after_s == wait_s


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 429, 500, 503])
def test_the_issuers_own_text_is_never_passed_on(status):
    """Neither detail nor code can carry what the other side wrote, which may quote the token."""
    for shape in SHAPES.values():
        outcome = classify(answer(status, shape(CANARY), location=CANARY), now_s=NOW_S)
        assert CANARY not in outcome.code + outcome.detail


def test_an_answer_survives_the_journal():
    """What is written down is what is read back; headers that nobody judges by are left out."""
    given = answer(429, b"\x00\xff body", retry_after="5", set_cookie=CANARY)
    kept = Answer.from_json(given.to_json())
    assert (kept.sent, kept.status, kept.body, kept.complete) == (True, 429, b"\x00\xff body", True)
    assert kept.headers == {"retry-after": "5"}
    assert CANARY not in repr(given.to_json())


@pytest.mark.parametrize(
    "damage", [{"headers": None}, {"body": None}, {"body": "*"}, {"status": "200"}, {"body": "ü"}]
)
def test_a_damaged_record_is_no_answer(damage):
    """It raises, so that the attempt counts as in doubt."""
    with pytest.raises(ValueError, match=r".+"):
        Answer.from_json({**answer(200, b"x").to_json(), **damage})


def test_the_repr_of_an_answer_shows_no_body():
    """A log line or assertion shows status and length of headers only."""
    assert CANARY not in repr(answer(200, CANARY.encode()))
