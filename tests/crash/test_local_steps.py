"""Kills between two steps of the exchange process, and what the next command makes of them."""

import os

import pytest

from fetchtoken.codex.local_attempt import Verdict, look_back
from fetchtoken.domain.secret import Secret
from fetchtoken.oauth.journal import Phase, inspect
from tests.support.laptop import EXPIRED, STALE, together
from tests.support.need import need_program

STEPS = {
    "the attempt is made but has no name yet": ("rename", 1, "nothing", 0),
    "the attempt has its name": ("fsync", 4, "unsent", 0),
    "before it is noted that bytes may leave": ("socket", 1, "unsent", 0),
    "between the note and the first byte": ("sendto", 1, "sent", 0),
    "before the answer is durable": ("fsync", 6, "answered", 1),
    "before the new file has its name": ("rename", 2, "answered", 1),
    "before the attempt ends": ("unlink", 1, "answered", 1),
    "after the attempt has ended": ("fsync", 9, "nothing", 1),
}
"""Step: system call, its number, what the attempt file says then, requests until then."""

PHASES = {"nothing": Phase.MISSING, "unsent": Phase.UNSENT, "sent": Phase.SENT, "answered": Phase.ANSWERED}


def killed_at(laptop, call, number, **job):
    strace = need_program("strace", "strace")
    inject = f"inject={call}:signal=KILL:when={number}"
    code = laptop.exchange(before=(strace, "-o", os.devnull, "-e", f"trace={call}", "-e", inject), **job)
    assert code == -9


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_between_two_steps_is_mended_by_the_next_command(laptop, step):
    """Unsent: it sends. Answered: it commits without a request. Nothing is left behind."""
    call, number, says, requests = STEPS[step]
    login = laptop.log_in(**EXPIRED)
    killed_at(laptop, call, number)
    assert inspect(str(laptop.attempt)).phase is PHASES[says]
    assert len(laptop.sent()) == requests
    ran = laptop.run()
    if says == "sent":
        assert (ran.code, laptop.sent()) == (5, [])
        return
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == laptop.access_token + "\n" != login.access_token + "\n"
    assert laptop.sent() == ["rotated"]
    assert laptop.litter() == []


def test_many_commands_commit_a_journaled_answer_without_a_request(laptop):
    """One commits, all print; the issuer is not asked."""
    laptop.log_in(**EXPIRED)
    killed_at(laptop, "rename", 2)
    ran = together(laptop, 8)
    assert {(each.code, each.out) for each in ran} == {(0, laptop.access_token + "\n")}
    assert laptop.sent() == ["rotated"]
    assert laptop.litter() == []


def test_a_journaled_answer_is_committed_while_the_old_token_lives(laptop):
    """Every resolve looks: the file has the new tokens before Codex reads the old ones."""
    login = laptop.log_in(**STALE)
    killed_at(laptop, "rename", 2, force=True)
    assert laptop.document() == login.document
    ran = laptop.run()
    assert (ran.code, ran.out) == (0, laptop.access_token + "\n")
    assert laptop.access_token != login.access_token
    assert laptop.sent() == ["rotated"]


def test_no_refresh_leaves_a_journaled_answer_alone(laptop):
    """``--no-refresh`` prints what is there and changes nothing."""
    login = laptop.log_in(**STALE)
    killed_at(laptop, "rename", 2, force=True)
    ran = laptop.run("--no-refresh")
    assert (ran.code, ran.out) == (0, login.access_token + "\n")
    assert laptop.document() == login.document
    assert look_back(str(laptop.attempt), Secret(login.refresh_token), now_s=0).verdict is Verdict.COMMIT


def test_a_command_whose_exchange_process_dies_commits_what_is_journaled(laptop):
    """The command itself finds the answer and prints the new token, in one run."""
    laptop.log_in(**EXPIRED)
    strace = need_program("strace", "strace")
    inject = ("-e", "trace=rename", "-e", "inject=rename:signal=KILL:when=2")
    ran = laptop.run(before=(strace, "-f", "-o", os.devnull, *inject))
    assert (ran.code, ran.out, ran.err) == (0, laptop.access_token + "\n", "")
    assert laptop.sent() == ["rotated"]
    assert laptop.litter() == []


def test_a_command_whose_exchange_process_dies_before_sending_says_so(laptop):
    """Exit 5, nothing in doubt; the next run succeeds."""
    laptop.log_in(**EXPIRED)
    strace = need_program("strace", "strace")
    inject = ("-e", "trace=rename", "-e", "inject=rename:signal=KILL:when=1")
    ran = laptop.run(before=(strace, "-f", "-o", os.devnull, *inject))
    assert ran.code == 5
    assert "the token is expired and the exchange process was killed\n" in ran.err
    assert laptop.run().code == 0
    assert laptop.sent() == ["rotated"]


def test_a_foreign_attempt_is_cleared_away_by_a_plain_run(laptop):
    """A new login ends the doubt about the old one; the next resolves are quick again."""
    laptop.log_in(**EXPIRED)
    laptop.issuer.fault("commit-then-500")
    assert laptop.run().code == 5
    login = laptop.log_in()
    ran = laptop.run()
    assert (ran.code, ran.out, ran.err) == (0, login.access_token + "\n", "")
    assert laptop.litter() == []


def failing_writes(laptop, when):
    """Return the words that make the attempt file refuse what is written to it."""
    strace = need_program("strace", "strace")
    inject = ("-P", str(laptop.attempt), "-e", "trace=write", "-e", f"inject=write:error=ENOSPC:when={when}")
    return (strace, "-f", "-o", os.devnull, *inject)


def test_an_answer_that_the_attempt_file_does_not_take_goes_into_the_auth_file(laptop):
    """Wherever it fits: it is durable before the command hears of it."""
    login = laptop.log_in(**EXPIRED)
    ran = laptop.run(before=failing_writes(laptop, "2+"))
    assert (ran.code, ran.out) == (0, laptop.access_token + "\n")
    assert laptop.access_token != login.access_token
    assert laptop.sent() == ["rotated"]
    assert laptop.litter() == []


def test_without_a_durable_note_nothing_is_sent(laptop):
    """The disk fails right before the first byte: exit 5, no request, nothing in doubt."""
    laptop.log_in(**EXPIRED)
    ran = laptop.run(before=failing_writes(laptop, "1"))
    assert ran.code == 5
    assert "the journal cannot be written" in ran.err
    assert laptop.sent() == []
    assert laptop.run().code == 0
