import json
import os
import time

import pytest

from fetchtoken.codex.local_attempt import Verdict, attempt_path, begin, look_back, put_aside
from fetchtoken.domain.secret import Secret
from fetchtoken.oauth.journal import append
from fetchtoken.oauth.outcome import Answer

R1, R2 = Secret("rt_1"), Secret("rt_2")
SENT_NOTHING = Answer(sent=False, reason="cannot connect")
NO_ANSWER = Answer(sent=True, reason="reset")


def answered(status=200, *, complete=True, retry_after="", **fields):
    headers = {"retry-after": retry_after} if retry_after else {}
    body = json.dumps(fields).encode()
    return Answer(sent=True, status=status, headers=headers, body=body, complete=complete)


TOKENS = answered(access_token="at2", refresh_token="rt_2")
SAME_REFRESH = answered(access_token="at2", refresh_token="rt_1")
ACCESS_ALONE = answered(access_token="at2")
REFRESH_ALONE = answered(refresh_token="rt_2")
REFUSED = answered(401, error="refresh_token_reused")


def leave(path, *, sending=True, answer=None, replay=False, spent=R1):
    """Leave the file of an attempt that ended."""
    fd = begin(str(path), spent, replay=replay)
    if sending:
        append(fd, "sending", {}, attempt=path.name)
    if answer is not None:
        append(fd, "answer", answer.to_json(), attempt=path.name)
    os.close(fd)


def look(path, held=R1, *, later_s=0.0):
    return look_back(str(path), held, now_s=time.time() + later_s)


FIRST = {
    "unsent": ({"sending": False}, Verdict.NONE),
    "not sent": ({"answer": SENT_NOTHING}, Verdict.NONE),
    "no answer yet": ({}, Verdict.IN_DOUBT),
    "no answer": ({"answer": NO_ANSWER}, Verdict.IN_DOUBT),
    "500": ({"answer": answered(500)}, Verdict.IN_DOUBT),
    "torn": ({"answer": answered(401, complete=False)}, Verdict.IN_DOUBT),
    "empty 200": ({"answer": answered()}, Verdict.IN_DOUBT),
    "tokens": ({"answer": TOKENS}, Verdict.COMMIT),
    "tokens, not rotated": ({"answer": SAME_REFRESH}, Verdict.COMMIT),
    "access token alone": ({"answer": ACCESS_ALONE}, Verdict.COMMIT),
    "refresh token alone": ({"answer": REFRESH_ALONE}, Verdict.COMMIT),
    "refused": ({"answer": REFUSED}, Verdict.REFUSED),
    "429": ({"answer": answered(429)}, Verdict.NONE),
    "429 and wait": ({"answer": answered(429, retry_after="60")}, Verdict.WAIT),
}


@pytest.mark.parametrize("case", FIRST)
def test_what_an_earlier_attempt_means_for_its_own_token(tmp_path, case):
    """One row of "phase decides" after the other, read from disk."""
    how, verdict = FIRST[case]
    leave(tmp_path / "a", **how)
    past = look(tmp_path / "a")
    assert (past.verdict, past.replayed) == (verdict, False)


REPLAYED = {
    "unsent": (Verdict.IN_DOUBT, False),
    "not sent": (Verdict.IN_DOUBT, False),
    "429": (Verdict.IN_DOUBT, False),
    "429 and wait": (Verdict.WAIT, False),
    "no answer yet": (Verdict.IN_DOUBT, True),
    "500": (Verdict.IN_DOUBT, True),
    "tokens": (Verdict.COMMIT, True),
    "refused": (Verdict.REFUSED, True),
}


@pytest.mark.parametrize("case", REPLAYED)
def test_a_replay_that_was_not_heard_leaves_the_doubt(tmp_path, case):
    """Not sent or told to wait: in doubt as before, the replay unused; else it is used up."""
    leave(tmp_path / "a", replay=True, **FIRST[case][0])
    past = look(tmp_path / "a")
    assert (past.verdict, past.replayed) == REPLAYED[case]


def test_there_is_nothing_to_say_without_a_file(tmp_path):
    """And looking makes none."""
    assert look(tmp_path / "a").verdict is Verdict.NONE
    assert list(tmp_path.iterdir()) == []


def test_a_held_file_is_running(tmp_path):
    """Whatever stands in it so far."""
    fd = begin(str(tmp_path / "a"), R1, replay=False)
    assert look(tmp_path / "a").verdict is Verdict.RUNNING
    os.close(fd)


@pytest.mark.parametrize("case", FIRST)
def test_a_file_about_another_token_is_foreign(tmp_path, case):
    """A new login came meanwhile: its refresh token was never sent."""
    leave(tmp_path / "a", **FIRST[case][0])
    assert look(tmp_path / "a", Secret("rt_new login")).verdict is Verdict.FOREIGN


@pytest.mark.parametrize("answer", [TOKENS, REFRESH_ALONE], ids=["tokens", "refresh token alone"])
def test_a_committed_answer_is_done(tmp_path, answer):
    """Killed between the new file and the end of the attempt: nothing is left to do, nothing to keep."""
    leave(tmp_path / "a", answer=answer)
    assert look(tmp_path / "a", R2).verdict is Verdict.NONE


@pytest.mark.parametrize(
    ("later_s", "verdict"),
    [(0, Verdict.WAIT), (30, Verdict.WAIT), (61, Verdict.NONE), (-86_400, Verdict.NONE)],
)
@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_counted_from_the_answer(tmp_path, later_s, verdict, form):
    """As seconds and as a date, until it is over; a clock that is set back does not prolong it."""
    at = time.gmtime(time.time() + 60)
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", at)
    leave(tmp_path / "a", answer=answered(429, retry_after="60" if form == "seconds" else date))
    assert look(tmp_path / "a", later_s=later_s).verdict is verdict


@pytest.mark.parametrize("place", [10, 60, 8200], ids=["intent", "intent's hash", "answer"])
def test_damage_is_doubt(tmp_path, place):
    """A damaged file never clears the token for sending, and never commits somebody else's tokens."""
    leave(tmp_path / "a", answer=TOKENS)
    data = bytearray((tmp_path / "a").read_bytes())
    data[place] ^= 0xFF
    (tmp_path / "a").write_bytes(bytes(data))
    assert look(tmp_path / "a").verdict is Verdict.IN_DOUBT


def test_damage_to_an_intent_that_was_not_sent_is_nothing(tmp_path):
    """A crash while the file was being made."""
    leave(tmp_path / "a", sending=False)
    data = bytearray((tmp_path / "a").read_bytes())
    data[10] ^= 0xFF
    (tmp_path / "a").write_bytes(bytes(data))
    assert look(tmp_path / "a").verdict is not Verdict.COMMIT
    assert look(tmp_path / "a").verdict is not Verdict.IN_DOUBT


def test_a_file_that_cannot_be_looked_at_is_doubt_that_only_a_person_may_end(tmp_path):
    """Not a crash of the command: in doubt, and not readable."""
    (tmp_path / "a").mkdir()
    past = look(tmp_path / "a")
    assert (past.verdict, past.readable) == (Verdict.IN_DOUBT, False)


def test_the_attempt_lies_beside_the_real_file(tmp_path):
    """Where the rename will happen, whatever links lead there."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link.json").symlink_to("real/auth.json")
    assert attempt_path(str(tmp_path / "link.json")) == str(tmp_path / "real" / "auth.json.attempt")


def test_a_new_attempt_takes_the_place_of_the_old_one_and_sweeps_up(tmp_path):
    """In one step, held from the first instant; what a crash left half made goes."""
    leave(tmp_path / "a")
    (tmp_path / "a.012345abcdef.tmp").touch()
    (tmp_path / "b.012345abcdef.tmp").touch()
    fd = begin(str(tmp_path / "a"), R2, replay=False)
    assert look(tmp_path / "a").verdict is Verdict.RUNNING
    os.close(fd)
    assert look(tmp_path / "a", R2).verdict is Verdict.NONE
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b.012345abcdef.tmp"]


def test_a_token_stands_in_no_intent(tmp_path):
    """The file names what is spent by its hash."""
    leave(tmp_path / "a")
    assert b"rt_1" not in (tmp_path / "a").read_bytes()
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_an_attempt_that_cannot_be_made_leaves_the_old_one(tmp_path, monkeypatch):
    """The doubt is not forgotten by a failed rename."""
    leave(tmp_path / "a")

    def fail(*paths):
        raise OSError(28, "No space left on device", *paths)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        begin(str(tmp_path / "a"), R1, replay=True)
    assert look(tmp_path / "a").verdict is Verdict.IN_DOUBT
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_every_orphan_is_kept(tmp_path):
    """Tokens that no file wants are put aside one by one, never over each other."""
    for _ in range(3):
        leave(tmp_path / "a", answer=TOKENS)
        assert put_aside(str(tmp_path / "a")).endswith(".orphan")
    assert len(list(tmp_path.glob("a.*.orphan"))) == 3
