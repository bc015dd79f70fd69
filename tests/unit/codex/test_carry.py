import os
from pathlib import Path

import pytest

from fetchtoken.codex.local_attempt import Verdict, begin, carry, look_back
from fetchtoken.domain.errors import Unavailable
from fetchtoken.domain.secret import Secret
from fetchtoken.oauth.journal import append
from fetchtoken.oauth.outcome import Answer

MINE, THEIRS = Secret("rt_mine"), Secret("rt_theirs")
TOKENS = b'{"access_token": "at", "refresh_token": "rt_next"}'


@pytest.fixture
def places(tmp_path):
    return str(tmp_path / "old.attempt"), str(tmp_path / "new.attempt")


def attempt(path, token, answer=b""):
    fd = begin(path, token, replay=False)
    append(fd, "sending", {}, attempt=Path(path).name)
    if answer:
        record = Answer(sent=True, status=200, body=answer, complete=True)
        append(fd, "answer", record.to_json(), attempt=Path(path).name)
    os.close(fd)


def verdict(path, token=MINE):
    return look_back(path, token, now_s=0).verdict


def test_nothing_to_carry(places):
    """Without an attempt file nothing comes about."""
    carry(*places, MINE, now_s=0)
    assert not Path(places[1]).exists()


def test_a_doubt_has_two_names_until_the_file_has_moved(places):
    """Wherever the auth file is found, its doubt lies beside it; a second time changes nothing."""
    attempt(places[0], MINE)
    for _ in range(2):
        carry(*places, MINE, now_s=0)
        assert Path(places[0]).samefile(places[1])
    assert verdict(places[1]) is Verdict.IN_DOUBT


def test_a_running_exchange_is_not_parted_from_its_file(places):
    """Exit 5, and nothing has changed."""
    fd = begin(places[0], MINE, replay=False)
    with pytest.raises(Unavailable):
        carry(*places, MINE, now_s=0)
    os.close(fd)
    assert not Path(places[1]).exists()


def test_what_an_earlier_file_left_there_is_removed(places):
    """It is about a token that no file holds any more."""
    attempt(places[1], THEIRS)
    carry(*places, MINE, now_s=0)
    assert not Path(places[1]).exists()
    attempt(places[1], THEIRS)
    attempt(places[0], MINE)
    carry(*places, MINE, now_s=0)
    assert verdict(places[1]) is Verdict.IN_DOUBT


def test_tokens_that_an_earlier_file_left_there_are_kept(places, tmp_path):
    """Tokens are never dropped, even where no file wants them."""
    attempt(places[1], THEIRS, TOKENS)
    carry(*places, MINE, now_s=0)
    assert not Path(places[1]).exists()
    (orphan,) = tmp_path.glob("*.orphan")
    assert b"answer" in orphan.read_bytes()


def test_what_lies_there_about_the_same_token_stays(places):
    """A copy was exchanged at the new place: the doubt holds for whoever has the token."""
    attempt(places[1], MINE)
    carry(*places, MINE, now_s=0)
    assert verdict(places[1]) is Verdict.IN_DOUBT
