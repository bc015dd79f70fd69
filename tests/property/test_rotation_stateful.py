"""The real store and table against a reference of a few lines, on random lives of one account.

200 lives by default; ``python -m tests.crash --lives`` for the larger figure.
"""

import asyncio
import atexit
import os
import tempfile
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from broker.domain.account import Event, State
from broker.store.store import Store
from fetchtoken.domain.errors import NotFound
from tests.support.records import NOW, RECORD, a_login, new_seal, store_url, tokens

EXAMPLES = int(os.environ.get("ROTATION_EXAMPLES", "200"))
MEMORY = "/dev/shm"
ACTIVE, REFRESHING, IN_DOUBT = State.ACTIVE, State.REFRESHING, State.IN_DOUBT
REPLAYING, LOGIN_REQUIRED = State.REPLAYING, State.LOGIN_REQUIRED
WAITING = (REFRESHING, REPLAYING)
OUTCOMES = {
    Event.NOT_SENT: {REFRESHING: ACTIVE, REPLAYING: IN_DOUBT},
    Event.TRY_LATER: {REFRESHING: ACTIVE, REPLAYING: IN_DOUBT},
    Event.REFUSED: {REFRESHING: LOGIN_REQUIRED, REPLAYING: LOGIN_REQUIRED},
    Event.UNKNOWN: {REFRESHING: IN_DOUBT, REPLAYING: IN_DOUBT},
    Event.OWNER_GONE: {REFRESHING: IN_DOUBT, REPLAYING: IN_DOUBT},
}


@dataclass
class Expected:
    """What the reference says of the row; written out, not taken from the table."""

    state: State = ACTIVE
    login: int = 0
    generation: int = 0
    word: str = ""
    attempt: str | None = None
    used: bool = False
    name: str = "work"
    disabled: bool = False
    there: bool = True


@cache
def opened():
    """Return the one store, on a real file, and what runs its coroutines."""
    # Nothing dies here, so nothing needs a disk: waiting for one was nine tenths of the time.
    place = tempfile.TemporaryDirectory(prefix="lives-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None)
    runner = asyncio.Runner()
    store = runner.run(Store.open(store_url(Path(place.name)), new_seal(), now=lambda: NOW))

    def close():
        runner.run(store.close())
        runner.close()
        place.cleanup()

    atexit.register(close)
    return store, runner.run


class Life(RuleBasedStateMachine):
    """One account, all its attempts, whoever reports them and however late."""

    def __init__(self):
        super().__init__()
        self.store, self.do = opened()
        self.life = uuid4().hex
        """In every token and name, so that lives share one store and never meet."""
        self.expected = Expected()
        self.attempts = []
        """(row as armed, attempt id, number of its login), in order."""
        self.looks = []
        """Rows as somebody saw them once."""
        self.orphans = set()
        self.committed = set()
        """Attempts whose tokens are in the row, or were."""

    def of_login(self, number):
        return a_login(f"{self.life}-{number}", account_id=self.life)

    @initialize()
    def begin(self):
        """The first login of an account."""
        self.before = len(self.do(self.store.late_answers()))
        self.row = self.do(self.store.add_account(self.expected.name, self.of_login(0), RECORD))
        self.expected.word = f"{self.life}-0"
        self.looks = [self.row]

    def teardown(self):
        if self.looks and self.expected.there:
            self.do(self.store.remove_account(self.row.id, RECORD))

    @rule(back=st.integers(0, 2))
    def arm(self, back):
        """Somebody arms what was seen just now, or a while ago."""
        seen = self.looks[-1 - min(back, len(self.looks) - 1)]
        to = {ACTIVE: REFRESHING, IN_DOUBT: REPLAYING}.get(seen.state)
        if to is None or (to is REPLAYING and seen.replay_used):
            return
        attempt_id = uuid4().hex
        armed = self.do(
            self.store.arm(seen, to=to, attempt_id=attempt_id, journal_id="j", lease_s=90, audit=RECORD)
        )
        now = self.expected
        same = (seen.login_id, seen.generation, seen.state, seen.attempt_id) == (
            self.row.login_id,
            now.generation,
            now.state,
            now.attempt,
        )
        assert (armed is not None) == (same and now.there)
        if armed is None:
            return
        self.attempts.append((armed, attempt_id, now.login))
        self.expected = replace(now, state=to, attempt=attempt_id, used=now.used or to is REPLAYING)

    @precondition(lambda self: self.attempts)
    @rule(back=st.integers(0, 3), event=st.sampled_from(sorted(OUTCOMES)))
    def settle(self, back, event):
        """The newest attempt or an earlier one ends without tokens."""
        armed, attempt_id, login = self.attempts[-1 - min(back, len(self.attempts) - 1)]
        now = self.expected
        counts = now.there and now.state in WAITING and now.attempt == attempt_id and now.login == login
        settled = self.do(
            self.store.settle(armed, attempt_id, event, failures=1, last_error="x", audit=RECORD)
        )
        assert (settled is not None) == counts
        if counts:
            to = OUTCOMES[event][now.state]
            returned = now.state is REPLAYING and event in (Event.NOT_SENT, Event.TRY_LATER)
            attempt = attempt_id if to is IN_DOUBT else None
            self.expected = replace(now, state=to, attempt=attempt, used=now.used and not returned)

    @precondition(lambda self: self.attempts)
    @rule(back=st.integers(0, 3), event=st.sampled_from([Event.TOKENS, Event.JOURNAL_ANSWER]))
    def commit(self, back, event):
        """An attempt brought tokens, told now, late or again."""
        armed, attempt_id, login = self.attempts[-1 - min(back, len(self.attempts) - 1)]
        now, word = self.expected, attempt_id
        kept = self.do(
            self.store.commit_tokens(armed, attempt_id, event, tokens(word, account_id=self.life), RECORD)
        )
        mine = now.there and now.login == login
        if mine and attempt_id in self.committed:
            assert kept is not None
        elif mine and now.generation == armed.generation and now.state is not ACTIVE:
            assert kept is not None
            self.committed.add(attempt_id)
            self.expected = replace(
                now, state=ACTIVE, generation=now.generation + 1, word=word, attempt=None, used=False
            )
        else:
            assert kept is None
            self.orphans.add(attempt_id)

    @precondition(lambda self: self.expected.there)
    @rule(hesitates=st.integers(0, 4))
    def login(self, hesitates):
        """Now and then a person logs in again."""
        if hesitates:
            return
        now = self.expected
        word = f"{self.life}-{now.login + 1}"
        self.do(self.store.replace_login(self.row.id, self.of_login(now.login + 1), RECORD))
        self.expected = Expected(login=now.login + 1, word=word, name=now.name, disabled=now.disabled)

    @precondition(lambda self: self.expected.there)
    @rule(name=st.sampled_from(["work", "play"]), disabled=st.booleans())
    def flags(self, name, disabled):
        """Name and flag change beside the state, in the middle of anything."""
        self.do(self.store.set_flags(self.row.id, RECORD, name=name, disabled=disabled))
        self.expected = replace(self.expected, name=name, disabled=disabled)

    @precondition(lambda self: self.expected.there and len(self.attempts) > 3)
    @rule(hesitates=st.integers(0, 9))
    def remove(self, hesitates):
        """Seldom, the account is removed; its attempts may still report."""
        if hesitates:
            return
        self.do(self.store.remove_account(self.row.id, RECORD))
        self.expected = replace(self.expected, there=False)
        try:
            self.do(self.store.set_flags(self.row.id, RECORD, disabled=True))
        except NotFound:
            return
        raise AssertionError("a removed account can be changed")

    @invariant()
    def the_store_says_what_the_reference_says(self):
        """State, generation, tokens, attempt, flags and orphans are as expected."""
        if not self.looks:
            return
        accounts = self.do(self.store.snapshot()).accounts
        assert len(accounts) == self.expected.there
        assert len(self.do(self.store.late_answers())) == self.before + len(self.orphans)
        if not accounts:
            return
        (self.row,) = accounts
        self.looks.append(self.row)
        now, row = self.expected, self.row
        assert (row.state, row.generation, row.attempt_id) == (now.state, now.generation, now.attempt)
        assert (row.replay_used, row.name, row.disabled) == (now.used, now.name, now.disabled)
        assert row.access_token.reveal() == f"at-{now.word}"
        assert row.refresh_token.reveal() == f"rt-{now.word}"


TestLife = Life.TestCase
TestLife.pytestmark = [pytest.mark.reliability, pytest.mark.timeout(2 * EXAMPLES)]
TestLife.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=15, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
