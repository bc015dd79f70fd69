import random
from datetime import UTC, datetime, timedelta, timezone

import pytest

from fetchtoken.domain.instants import parse_rfc3339, to_rfc3339


def test_it_agrees_with_datetime_on_20_000_instants():
    """Rendering and parsing agree with ``datetime`` from 1970 to 2400, in any offset."""
    choose = random.Random(7)
    for _ in range(20_000):
        micros = choose.randrange(0, 13_569_465_600 * 1_000_000)
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
        seconds = micros // 1_000_000
        assert to_rfc3339(seconds) == moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        assert parse_rfc3339(to_rfc3339(seconds)) == seconds
        east = timezone(timedelta(minutes=choose.randrange(-23 * 60, 23 * 60)))
        assert parse_rfc3339(moment.astimezone(east).isoformat()) == pytest.approx(micros / 1e6, abs=1e-5)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-11-30T10:11:12Z", 1_796_033_472),
        ("2026-11-30t10:11:12z", 1_796_033_472),
        ("2026-11-30 10:11:12+00:00", 1_796_033_472),
        ("2026-11-30T11:11:12+01:00", 1_796_033_472),
        ("2026-11-30T04:41:12-05:30", 1_796_033_472),
        ("2026-11-30T10:11:12.5Z", 1_796_033_472.5),
        ("2026-11-30T10:11:12.123456789Z", 1_796_033_472.123456789),
        ("  2026-11-30T10:11:12Z\n", 1_796_033_472),
        ("2024-02-29T00:00:00Z", 1_709_164_800),
        ("2026-06-30T23:59:60Z", 1_782_864_000),
    ],
)
def test_every_shape_of_rfc_3339_is_read(text, seconds):
    """Lower case, a blank for ``T``, offsets, fractions and a leap second are all allowed."""
    assert parse_rfc3339(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-11-30",
        "2026-11-30T10:11:12",
        "2026-11-30T10:11:12+0100",
        "2026-11-30T10:11:12+01:0",
        "2026-11-30T10:11:12+24:00",
        "2026-11-30T10:11:12+01:60",
        "2026-11-30T10:11:12+0a:00",
        "2026-11-30T10:11:12.Z",
        "2026-11-30T10:11:12.1234567890Z",
        "2026-11-30T10:11:12Zz",
        "2026-13-01T10:11:12Z",
        "2026-00-01T10:11:12Z",
        "2026-02-30T10:11:12Z",
        "2025-02-29T10:11:12Z",
        "2026-11-31T10:11:12Z",
        "2026-11-30T24:00:00Z",
        "2026-11-30T10:60:00Z",
        "2026-11-30T10:11:61Z",
        "2026-11-30T-1:11:12Z",
        "2026-11-30T10:-5:12Z",
        "2026-11-30T10:11:-9Z",
        "+026-11-30T10:11:12Z",
        "2_26-11-30T10:11:12Z",
        "2026- 1-30T10:11:12Z",
        "2026-11-30T10:11:1²Z",
        "٢٠٢٦-11-30T10:11:12Z",
        "2026/11/30T10:11:12Z",
    ],
)
def test_anything_else_is_no_time(text):
    """A text that only looks like a time gives ``None``, never a wrong instant."""
    assert parse_rfc3339(text) is None


@pytest.mark.parametrize(
    ("number", "seconds"),
    [(0, 0.0), (1_796_033_472, 1_796_033_472.0), (1_796_033_472_500, 1_796_033_472.5), (1.5, 1.5)],
)
def test_numbers_are_seconds_or_milliseconds(number, seconds):
    """Other tools write numbers; very large ones are milliseconds."""
    assert parse_rfc3339(number) == seconds


@pytest.mark.parametrize(
    "value",
    [
        True,
        False,
        None,
        -1,
        -0.5,
        float("nan"),
        float("inf"),
        pytest.param(10**400, id="huge"),
        10**15,
        [],
        {},
    ],
)
def test_other_values_are_no_time(value):
    """Booleans, negative, endless and absurd numbers give ``None``."""
    assert parse_rfc3339(value) is None


def test_fractions_are_cut_or_written_in_six_digits():
    """``micros`` keeps six digits of the fraction; without it the second is not rounded up."""
    assert to_rfc3339(1_796_033_472.999) == "2026-11-30T10:11:12Z"
    assert to_rfc3339(1_796_033_472.25, micros=True) == "2026-11-30T10:11:12.250000Z"
    assert to_rfc3339(1_796_033_472, micros=True) == "2026-11-30T10:11:12.000000Z"
