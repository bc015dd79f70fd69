"""The phase table, one case for each cell, named KIND-WHAT."""

import json

import pytest

from fetchtoken.oauth.outcome import Answer, Kind, classify


def _answer(status, value=None, *, complete=True, **headers):
    body = b"" if value is None else json.dumps(value).encode()
    return Answer(sent=True, status=status, headers=headers, body=body, complete=complete)


_WORDS = ("refresh_token_reused", "refresh_token_expired", "refresh_token_invalidated", "invalid_grant")

CASES = {
    Kind.NOT_SENT: {
        "nothing handed over": Answer(sent=False, reason="cannot connect"),
        "part handed over": Answer(sent=False, reason="the connection broke while sending"),
    },
    Kind.TOKENS: {"2xx with an access token": _answer(200, {"access_token": "at"})},
    Kind.REFUSED: {
        f"{word} {status}": _answer(status, {"error": {"code": word}})
        for word in _WORDS
        for status in (400, 401, 403)
    }
    | {"any other 401": _answer(401, {"error": "another_word"})},
    Kind.TRY_LATER: {
        "complete 3xx": _answer(302),
        "other 4xx": _answer(404),
        "429 with Retry-After": _answer(429, **{"retry-after": "5"}),
        "429 without Retry-After": _answer(429),
        "503 with Retry-After": _answer(503, **{"retry-after": "5"}),
        "503 without Retry-After": _answer(503),
    },
    Kind.UNKNOWN: {
        "no answer": Answer(sent=True, reason="connection reset"),
        "torn answer": _answer(401, complete=False),
        "other 5xx": _answer(500),
        "2xx without a usable token": _answer(200, {"access_token": ""}),
    },
}


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        pytest.param(kind, answer, id=f"{kind}-{what}")
        for kind, cases in CASES.items()
        for what, answer in cases.items()
    ],
)
def test_phase(kind, answer):
    """What happened decides the kind, whatever exception it came as."""
    assert classify(answer, now_s=0.0).kind is kind


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_kept_only_where_it_came(status):
    """With Retry-After the wait is its, without it is nobody's."""
    assert classify(_answer(status, **{"retry-after": "5"}), now_s=0.0).retry_after_s == 5
    assert classify(_answer(status), now_s=0.0).retry_after_s is None
