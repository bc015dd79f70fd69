"""What is said of each trouble: what happened, what is still safe, and one thing to do."""

import pytest

from broker.domain.account import State
from broker.domain.secondlife import Why, word_of
from broker.domain.trouble import EXPORTED, Kind, refusal_word, still_safe, suspect, trouble_of
from tests.support.records import NOW, an_account

IN_DOUBT = {"state": State.IN_DOUBT}
REFUSED = {"state": State.LOGIN_REQUIRED}


@pytest.mark.parametrize(
    ("changes", "kind", "todo"),
    [
        (IN_DOUBT, Kind.IN_DOUBT, "account replay work --yes"),
        (IN_DOUBT | {"replay_used": True}, Kind.IN_DOUBT, "used up"),
        (REFUSED | {"last_error": "refresh_token_expired"}, Kind.REFUSED, "account login work"),
        (REFUSED | {"last_error": refusal_word("invalid_grant", lost=True)}, Kind.LOST, "account login work"),
        (
            REFUSED | {"last_error": refusal_word("invalid_grant", lost=False), "source_path": "/a.json"},
            Kind.OTHER_HOLDER,
            "stop the other holder, then log in again: codex-broker account login work",
        ),
        (REFUSED | {"last_error": EXPORTED}, Kind.EXPORTED, "account login work"),
        ({"restored": True}, Kind.RESTORED, "account refresh work --force"),
        ({"restored": True, "last_error": word_of(Why.SPENT)}, Kind.SPENT, "account login work"),
    ],
)
def test_each_trouble_has_its_remedy(changes, kind, todo):
    """State and last error tell which trouble it is, and each names what to do."""
    found = trouble_of(an_account(**changes), NOW)
    assert found is not None
    assert found.kind is kind
    assert todo in found.todo
    assert found.safe.startswith("its access token is served until")


@pytest.mark.parametrize("state", [State.ACTIVE, State.REFRESHING, State.REPLAYING])
def test_no_trouble(state):
    """An account that is active or under way needs nobody."""
    assert trouble_of(an_account(state=state), NOW) is None


@pytest.mark.parametrize(
    ("changes", "safe"),
    [
        ({}, "its access token is served until 2025-12-04T15:54:00Z"),
        ({"expires_at": None}, "its access token is served on"),
        ({"expires_at": int(NOW) + 359}, "its access token has expired"),
        ({"disabled": True}, "nothing is served, since it is disabled"),
    ],
)
def test_what_is_still_safe(changes, safe):
    """A live token is served until six minutes before its end, an expired one never."""
    assert still_safe(an_account(**changes), NOW) == safe


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        (
            {"source": "import", "source_path": "/home/ada/.codex/auth.json"},
            "/home/ada/.codex/auth.json, which kept",
        ),
        ({"source": "import", "source_path": "standard input"}, "a copy of the file"),
        ({"source": "adopt", "source_path": "/home/ada/auth.json"}, "before it was adopted"),
        ({"source": "import", "source_path": "/x", "restored": True}, "backup"),
    ],
)
def test_the_suspect_follows_from_the_source(changes, word):
    """How a login came in makes likely who else holds it."""
    assert word in suspect(an_account(**changes))
