"""When a token is due, in which phase it is, and how long failures wait."""

import pytest

from broker.domain.schedule import (
    BACKOFF_CAP_S,
    MIN_INTERVAL_S,
    RETRY_AFTER_CAP_S,
    UNDATED_LIFE_S,
    Phase,
    backoff_s,
    due_from,
    phase,
    refresh_after,
    rest_s,
    servable,
    waits_until,
)

DAY = 86_400.0


@pytest.mark.parametrize(("jitter", "part"), [(-1, 0.55), (0, 0.6), (1, 0.65)])
def test_due_at_sixty_percent_of_the_life(jitter, part):
    """A token is due at 60 % of its life, moved by up to 5 % of it."""
    assert refresh_after(1000, 1000 + 10 * DAY, jitter=jitter) == pytest.approx(1000 + 10 * DAY * part)


def test_due_before_it_is_no_longer_served():
    """A short-lived token is due before its last 360 seconds begin, so that nobody waits."""
    assert refresh_after(0, 600, jitter=0) == 240


def test_undated_token_is_due_as_in_codex():
    """Without an expiry the life that Codex assumes is taken."""
    assert refresh_after(0, None, jitter=0) == pytest.approx(UNDATED_LIFE_S * 0.6)


@pytest.mark.parametrize("expires_at", [100, 500, 2000])
def test_answers_are_not_asked_for_in_a_loop(expires_at):
    """A token that is born old is due no earlier than a minute after it came."""
    assert refresh_after(0, expires_at, jitter=0, received_at=1900) == 1900 + MIN_INTERVAL_S


def test_an_imported_old_token_is_due_at_once():
    """Without an exchange there is no such minute: a stale import is due now."""
    assert refresh_after(0, 1000, jitter=0) < 1000


@pytest.mark.parametrize(
    ("now_s", "expected"),
    [
        (0, Phase.FRESH),
        (5999, Phase.FRESH),
        (6000, Phase.STALE),
        (9640, Phase.STALE),
        (9641, Phase.EXPIRED),
        (10_000, Phase.EXPIRED),
        (99_999, Phase.EXPIRED),
    ],
)
def test_phase(now_s, expected):
    """Fresh until due, stale until 360 seconds before the end, expired from there."""
    assert phase(10_000, 6000, now_s) is expected


def test_expired_before_due_is_expired():
    """The end decides, whatever the due time says."""
    assert phase(300, 6000, 0) is Phase.EXPIRED


def test_undated_token_never_counts_as_expired():
    """An opaque token goes from fresh to stale and stays there."""
    assert phase(None, 100, 1e12) is Phase.STALE


@pytest.mark.parametrize(
    ("left_s", "min_valid_s", "expected"),
    [(360, 0, True), (359, 0, False), (600, 600, True), (599, 600, False), (400, 100, True)],
)
def test_servable_needs_the_larger_of_both(left_s, min_valid_s, expected):
    """A token is served while it lives for max(360, min_valid) seconds."""
    assert servable(1000 + left_s, 1000, min_valid_s) is expected


def test_backoff_doubles_up_to_its_cap():
    """Each failure doubles the wait, and it never grows beyond the cap."""
    waits = [backoff_s(failures, jitter=0) for failures in range(1, 40)]
    assert waits[:3] == [5, 10, 20]
    assert waits == sorted(waits)
    assert waits[-1] == BACKOFF_CAP_S


@pytest.mark.parametrize("jitter", [-1, 1])
def test_backoff_spreads_by_a_quarter(jitter):
    """Chance moves the wait by up to a quarter either way."""
    assert backoff_s(1, jitter=jitter) == pytest.approx(5 * (1 + jitter / 4))


@pytest.mark.parametrize("jitter", [-1, 0, 1])
def test_retry_after_is_never_undercut(jitter):
    """What the issuer asked for is waited at least."""
    assert backoff_s(1, jitter=jitter, retry_after_s=120) >= 120


def test_absurd_retry_after_is_not_believed():
    """A year is cut to a day."""
    assert backoff_s(1, jitter=0, retry_after_s=3.2e7) == RETRY_AFTER_CAP_S


def test_backoff_survives_nonsense():
    """No failure yet, or a negative wish, gives the first wait."""
    assert backoff_s(0, jitter=0, retry_after_s=-5) == 5


def test_a_token_that_came_just_now_rests_for_a_minute():
    """However old it was born; a time further ahead says nothing, and one that has passed neither."""
    born_old = refresh_after(0, 300, jitter=0, received_at=1000)
    assert rest_s(born_old, 1000) == 60
    assert rest_s(born_old, 1059) == 1
    assert rest_s(born_old, 1060) == 0
    assert rest_s(1061, 1000) == 0


@pytest.mark.parametrize(
    ("stale_from", "expires_at", "due"),
    [
        (6000, 10_000, 6000),
        (3.2e7, 10_000, 9640),
        (3.2e7, None, 692_840),
        (2060, 300, 2060),
        (1990, 300, -60),
    ],
    ids=["as noted", "past its end", "further than any life", "a rest", "a rest that is over"],
)
def test_no_account_is_due_later_than_its_token_ends(stale_from, expires_at, due):
    """A due time that a clock wrote which was a year ahead does not hold an account back for a year."""
    assert due_from(stale_from, expires_at, 2000) == due


def test_a_back_off_longer_than_the_longest_holds_nothing_back():
    """It was written by a clock that was ahead."""
    assert waits_until(1000 + RETRY_AFTER_CAP_S, 1000) == 1000 + RETRY_AFTER_CAP_S
    assert waits_until(1001 + RETRY_AFTER_CAP_S, 1000) == 0
