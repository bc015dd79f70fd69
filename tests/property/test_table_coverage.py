"""Every cell of the two tables is a test case by its name; the collected ids are held against the tables."""

import re
from itertools import product
from pathlib import Path

import pytest

from broker.domain.account import Event, State
from fetchtoken.oauth import outcome
from fetchtoken.oauth.outcome import Kind

ROOT = Path(__file__).parents[2]
STATES = "tests/unit/domain/test_account.py"
PHASES = "tests/unit/oauth/test_phase_table.py"


class Collector:
    """Keeps the ids of what pytest would run."""

    def __init__(self):
        self.ids: list[str] = []

    def pytest_collection_finish(self, session):
        """Take the ids and let nothing run."""
        self.ids = [item.nodeid for item in session.items]


@pytest.fixture(scope="module")
def ids():
    collector = Collector()
    arguments = ["--collect-only", "-qq", "-p", "no:randomly", "-p", "no:xdist", "-p", "no:cacheprovider"]
    ended = pytest.main(
        [*arguments, "-o", "addopts=", f"--rootdir={ROOT}", str(ROOT / STATES), str(ROOT / PHASES)],
        plugins=[collector],
    )
    assert ended == pytest.ExitCode.OK
    return collector.ids


def _cases(ids: list[str], file: str, function: str) -> set[str]:
    found = (re.fullmatch(rf"{re.escape(file)}::{function}\[(.+)\]", node) for node in ids)
    return {match[1] for match in found if match}


def test_every_cell_of_the_state_table_is_a_case(ids):
    """Nine events in five states: forty-five cases, dashes included, named STATE-EVENT."""
    wanted = {f"{state}-{event}" for state, event in product(State, Event)}
    assert _cases(ids, STATES, "test_cell") == wanted


def test_every_row_of_the_phase_table_has_cases(ids):
    """Each thing that can happen to a sending is named in a case KIND-WHAT."""
    cases = _cases(ids, PHASES, "test_phase")
    assert {case.split("-", 1)[0] for case in cases} == set(Kind)


def test_every_thing_that_the_phase_table_names_is_a_case(ids):
    """The words of the documented table, in the order of its rows, are the cases."""
    rows = re.findall(r"^(\w.*?)\s{2,}(\w+)$", outcome.__doc__ or "", re.MULTILINE)
    assert [kind for what, kind in rows if what != "what happened"] == list(Kind)
    cases = _cases(ids, PHASES, "test_phase")
    for what, kind in rows:
        for word in WORDS.get(kind, ()):
            assert word[0] in what, f"the table of {kind} no longer says {word[0]!r}"
            assert f"{kind}-{word[1]}" in cases
    named = {f"{kind}-{case}" for kind, words in WORDS.items() for _, case in words}
    assert cases == named, "a case that the table does not name, or the other way round"


WORDS = {
    "not_sent": [("nothing", "nothing handed over"), ("less than the whole request", "part handed over")],
    "tokens": [("2xx with an access token", "2xx with an access token")],
    "refused": [
        *[("spent", f"refresh_token_reused {status}") for status in (400, 401, 403)],
        *[("expired", f"refresh_token_expired {status}") for status in (400, 401, 403)],
        *[("revoked", f"refresh_token_invalidated {status}") for status in (400, 401, 403)],
        *[("revoked", f"invalid_grant {status}") for status in (400, 401, 403)],
        ("any other 401", "any other 401"),
    ],
    "try_later": [
        ("complete 3xx", "complete 3xx"),
        ("other 4xx", "other 4xx"),
        ("429", "429 with Retry-After"),
        ("429", "429 without Retry-After"),
        ("503", "503 with Retry-After"),
        ("503", "503 without Retry-After"),
    ],
    "unknown": [
        ("no answer", "no answer"),
        ("a torn one", "torn answer"),
        ("other 5xx", "other 5xx"),
        ("2xx without an access token", "2xx without a usable token"),
    ],
}
"""By kind: a phrase of the documented row, and the name of a case of it."""
