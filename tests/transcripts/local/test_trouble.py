"""What the command says when a refresh is refused, postponed, in doubt or not possible."""

from textwrap import dedent

import pytest

from tests.support.laptop import EXPIRED, STALE
from tests.transcripts.local.said import said

DOUBT = "an earlier exchange is in doubt: it was sent, and its answer is unknown"


def hears(laptop, transcript, *words):
    assert said(laptop, laptop.run(*words)) == dedent(transcript).strip()


@pytest.mark.parametrize("fault", ["commit-then-500", "torn", "reset", "commit-then-html"])
def test_in_doubt_and_alive(laptop, fault):
    """The live token is printed with a note, now and later, and nothing is sent again."""
    login = laptop.log_in(**STALE)
    laptop.issuer.fault(fault)
    hears(laptop, f"exit 0\nTOKEN\n! note: not refreshed: {DOUBT}; the live token is used", "--force-refresh")
    for _ in range(2):
        hears(laptop, f"exit 0\nTOKEN\n! note: ~/.codex/auth.json: {DOUBT}; its live token is used")
    assert laptop.run().out == login.access_token + "\n"
    assert len(laptop.sent()) == 1


def test_in_doubt_and_expired(laptop):
    """Exit 5 with the order that a person may give; what the issuer wrote is not repeated."""
    laptop.log_in(**EXPIRED)
    laptop.issuer.fault("commit-then-500")
    for detail in (" (status 500)", ""):
        hears(
            laptop,
            f"""
            exit 5
            ! codex-fetchtoken: ~/.codex/auth.json: the token is expired and {DOUBT}{detail}
            ! hint: codex-fetchtoken refresh --force
            """,
        )
    assert len(laptop.sent()) == 1


def test_refused_and_expired(laptop):
    """Exit 3 with the issuer's word, and the refused token is not sent again."""
    laptop.log_in(**EXPIRED)
    laptop.issuer.fault("refuse-expired")
    for _ in range(2):
        hears(
            laptop,
            """
            exit 3
            ! codex-fetchtoken: ~/.codex/auth.json: the token is expired and its refresh token was refused\
 (refresh_token_expired)
            ! hint: codex-fetchtoken login
            """,
        )
    assert len(laptop.sent()) == 1


def test_refused_and_alive(laptop):
    """A live token goes on being printed, quietly; force says what is the matter."""
    laptop.log_in(**STALE)
    laptop.issuer.fault("refuse-grant")
    refused = """
        exit 3
        ! codex-fetchtoken: ~/.codex/auth.json: its refresh token was refused (invalid_grant)
        ! hint: codex-fetchtoken login
        """
    hears(laptop, refused, "--force-refresh")
    hears(laptop, "exit 0\nTOKEN")
    hears(laptop, refused, "--force-refresh")
    assert len(laptop.sent()) == 1


def test_told_to_wait(laptop):
    """Retry-After is respected by the next command; nothing is in doubt."""
    laptop.log_in(**EXPIRED)
    laptop.issuer.fault("429-retry-after", seconds=600)
    for _ in range(2):
        hears(
            laptop,
            """
            exit 5
            ! codex-fetchtoken: ~/.codex/auth.json: the token is expired and the issuer asks to try later\
 (status 429, N s to wait)
            ! hint: try again in a minute
            """,
        )
    assert len(laptop.sent()) == 1


def test_read_only_and_expired(laptop):
    """Exit 8: nothing may be sent that could not be kept."""
    laptop.log_in(**EXPIRED)
    laptop.auth.chmod(0o400)
    hears(
        laptop,
        """
        exit 8
        ! codex-fetchtoken: not refreshed: ~/.codex/auth.json is read-only
        ! hint: chmod 600 ~/.codex/auth.json
        """,
    )
    assert laptop.sent() == []


def test_read_only_and_alive(laptop):
    """The live token is printed with a note."""
    laptop.log_in(**STALE)
    laptop.auth.chmod(0o400)
    hears(
        laptop,
        """
        exit 0
        TOKEN
        ! note: not refreshed: ~/.codex/auth.json is read-only; the live token is used
        """,
        "--force-refresh",
    )
    assert laptop.sent() == []


def test_an_answer_for_somebody_else(laptop):
    """The new token is kept and printed, and a note says whose it is not."""
    laptop.log_in(**EXPIRED)
    laptop.issuer.fault("other-account")
    hears(
        laptop,
        """
        exit 0
        TOKEN
        ! note: ~/.codex/auth.json: the issuer answered with a token of another user;\
 if that is wrong: codex-fetchtoken login --force
        """,
    )
    assert laptop.issuer.alive(laptop.access_token)
