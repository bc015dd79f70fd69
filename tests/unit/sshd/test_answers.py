"""Refusals in the words of a command."""

from typing import get_args

import pytest

from broker.access.refused import Code, Refused
from broker.api.problems import STATUS_OF
from broker.sshd.answers import as_error, failure
from fetchtoken.domain.errors import Denied, FetchTokenError
from fetchtoken.net.client import Response
from fetchtoken.sources.remote_answer import problem

OF_HTTP_ALONE = {
    "access_denied",
    "authorization_pending",
    "expired_token",
    "invalid_grant",
    "slow_down",
    "refresh_token_expired",
    "refresh_token_invalidated",
    "invalid_target",
    "too_many_machines",
    "unsupported_grant_type",
    "content_too_large",
    "internal_error",
    "invalid_request",
    "method_not_allowed",
    "misdirected_request",
    "not_found",
}


@pytest.mark.parametrize("code", sorted(set(get_args(Code)) - OF_HTTP_ALONE))
def test_a_refusal_ends_with_the_code_that_the_command_has_for_it_over_http(code):
    """One verdict, one exit code, whichever way a client came in."""
    body = f'{{"code":"{code}"}}'.encode()
    over_http = problem("broker", Response(STATUS_OF[code], {}, body, complete=True), "work")
    over_ssh = as_error(Refused(code, "a sentence"))
    assert over_ssh.exit_code == over_http.exit_code
    assert (over_ssh.message, over_ssh.code) == ("a sentence", code)
    assert over_ssh.hint


def test_when_to_come_again_is_the_hint():
    """A time that is known is more use than a phrase."""
    assert as_error(Refused("unavailable", "x", retry_after_s=7)).hint == "try again in 7 s"
    assert as_error(Refused("unavailable", "x")).hint == "try again later"


def test_an_unknown_refusal_is_a_bug():
    """What has no place in the table ends with 1."""
    assert type(as_error(Refused("not_found", "x"))) is FetchTokenError


def test_an_error_is_one_line_and_a_hint():
    """As every command of both programs says it."""
    answer = failure(Denied("it happened", hint="do this"))
    assert (answer.code, answer.out) == (6, "")
    assert answer.err == "codex-broker: it happened\nhint: do this\n"
