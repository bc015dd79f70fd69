"""The table "phase decides" with real bytes: each fault of the strict issuer through the real process."""

import pytest

from fetchtoken.oauth.outcome import Kind
from tests.unit.oauth.process import Exchange

TABLE = {
    "500": Kind.UNKNOWN,
    "503": Kind.TRY_LATER,
    "503-retry-after": Kind.TRY_LATER,
    "429": Kind.TRY_LATER,
    "429-retry-after": Kind.TRY_LATER,
    "redirect-302": Kind.TRY_LATER,
    "redirect-307": Kind.TRY_LATER,
    "403-page": Kind.TRY_LATER,
    "html": Kind.UNKNOWN,
    "not-json": Kind.UNKNOWN,
    "reset": Kind.UNKNOWN,
    "refuse-bare": Kind.REFUSED,
    "torn": Kind.UNKNOWN,
    "missing-fields": Kind.UNKNOWN,
    "no-access-token": Kind.UNKNOWN,
    "no-id-token": Kind.TOKENS,
    "no-refresh-token": Kind.TOKENS,
    "other-account": Kind.TOKENS,
    "commit-then-500": Kind.UNKNOWN,
    "commit-then-reset": Kind.UNKNOWN,
    "commit-then-html": Kind.UNKNOWN,
}
REFUSALS = {
    "refuse-reused": "refresh_token_reused",
    "refuse-expired": "refresh_token_expired",
    "refuse-revoked": "refresh_token_invalidated",
    "refuse-grant": "invalid_grant",
}


def exchanged(tmp_path, issuer):
    with Exchange(tmp_path / "a", issuer.token_url, issuer.mint().refresh_token).send() as attempt:
        assert attempt.report()["journaled"] is True
        assert attempt.end() == 0
        assert len(issuer.log()) == 1
        return attempt.kind(), attempt.look().answer


@pytest.mark.parametrize("fault", TABLE)
def test_each_fault_is_judged_by_its_phase(tmp_path, issuer, fault):
    """One request, one journalled answer, the class of the table; nothing is sent again."""
    issuer.fault(fault, seconds=7)
    assert exchanged(tmp_path, issuer)[0] is TABLE[fault]


@pytest.mark.parametrize("shape", ["nested", "string", "top"])
@pytest.mark.parametrize("fault", REFUSALS)
def test_each_refusal_is_read_in_each_shape(tmp_path, issuer, fault, shape):
    """``error.code``, ``error`` as a text, top-level ``code``."""
    issuer.settings(error_shape=shape)
    issuer.fault(fault)
    kind, answer = exchanged(tmp_path, issuer)
    assert kind is Kind.REFUSED
    assert REFUSALS[fault].encode() in answer.body
