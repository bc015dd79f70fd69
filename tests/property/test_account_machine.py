"""The account machine on random walks: attempts, answers, crashes and operators in any order."""

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from broker.domain.account import Event, State, step
from broker.domain.events import judge
from broker.domain.records import Account
from tests.support.records import an_account

WITHOUT_TOKENS = st.sampled_from(
    [Event.NOT_SENT, Event.REFUSED, Event.TRY_LATER, Event.UNKNOWN, Event.OWNER_GONE]
)
WITH_TOKENS = st.sampled_from([Event.TOKENS, Event.JOURNAL_ANSWER])


class AccountWalk(RuleBasedStateMachine):
    """One account, every attempt ever armed for it, and what the issuer has said of each generation."""

    def __init__(self):
        super().__init__()
        self.row = an_account(login_id="0", generation=0)
        self.attempts: list[Account] = []
        """The row as it was armed, once for each attempt, in order."""
        self.sent: dict[tuple[str, int], int] = {}
        """How many attempts may have sent a generation and not been told that they did not."""
        self.replays: dict[tuple[str, int], int] = {}
        self.decided: set[tuple[str, int]] = set()
        """Generations of which tokens or a refusal are known."""
        self.before = self.row
        self.last: Event | None = None

    @property
    def at(self) -> tuple[str, int]:
        return (self.row.login_id, self.row.generation)

    def _became(self, event: Event, row: Account) -> None:
        self.before, self.last, self.row = self.row, event, row

    @rule(allowed=st.booleans())
    def due(self, *, allowed):
        """The scheduler or an operator asks; a replay only while it is unused."""
        cell = step(self.row.state, Event.DUE, replay_allowed=allowed and not self.row.replay_used)
        if cell.to is self.row.state:
            return
        assert self.at not in self.decided, "a decided generation is sent again"
        assert self.row.state is State.ACTIVE or cell.to is State.REPLAYING
        if cell.to is State.REPLAYING:
            self.replays[self.at] = self.replays.get(self.at, 0) + 1
        self.sent[self.at] = self.sent.get(self.at, 0) + 1
        used = self.row.replay_used if cell.replay_used is None else cell.replay_used
        attempt_id = f"attempt-{len(self.attempts)}"
        armed = replace(self.row, state=cell.to, attempt_id=attempt_id, replay_used=used)
        self.attempts.append(armed)
        self._became(Event.DUE, armed)

    def _outcome(self, which: int, event: Event) -> None:
        armed = self.attempts[which % len(self.attempts)]
        cell = judge(
            self.row,
            event,
            login_id=armed.login_id,
            generation=armed.generation,
            attempt_id=armed.attempt_id or "",
        )
        if cell is None:
            return
        if cell.rotated or event is Event.REFUSED:
            self.decided.add(self.at)
        if event in (Event.NOT_SENT, Event.TRY_LATER):
            self.sent[self.at] -= 1
            if self.row.state is State.REPLAYING:
                self.replays[self.at] -= 1
        used = self.row.replay_used if cell.replay_used is None else cell.replay_used
        keeps = cell.to is State.IN_DOUBT
        self._became(
            event,
            replace(
                self.row,
                state=cell.to,
                generation=self.row.generation + cell.rotated,
                replay_used=used,
                attempt_id=self.row.attempt_id if keeps else None,
            ),
        )

    @precondition(lambda self: self.attempts)
    @rule(event=WITHOUT_TOKENS)
    def ends(self, event):
        """The newest attempt ends without tokens."""
        self._outcome(-1, event)

    @precondition(lambda self: len(self.attempts) > 1)
    @rule(which=st.integers(0, 50), event=WITHOUT_TOKENS | WITH_TOKENS)
    def reports_late(self, which, event):
        """Any earlier attempt is heard of, at last or again."""
        self._outcome(which, event)

    @precondition(lambda self: self.attempts)
    @rule(event=WITH_TOKENS)
    def answers(self, event):
        """The newest attempt brought tokens."""
        self._outcome(-1, event)

    @rule(hesitates=st.integers(0, 4))
    def login(self, hesitates):
        """Now and then a person logs in again."""
        if hesitates:
            return
        cell = step(self.row.state, Event.LOGIN_DONE)
        login_id = str(int(self.row.login_id) + 1)
        fresh = replace(
            self.row, state=cell.to, login_id=login_id, generation=0, attempt_id=None, replay_used=False
        )
        self._became(Event.LOGIN_DONE, fresh)

    @invariant()
    def generations_grow_by_one_within_a_login(self):
        """I4: the generation never decreases, and only an answer moves it."""
        if self.row.login_id != self.before.login_id:
            assert self.row.generation == 0
            return
        brought = self.last in (Event.TOKENS, Event.JOURNAL_ANSWER)
        assert self.row.generation == self.before.generation + brought

    @invariant()
    def at_most_one_first_sending_and_one_replay(self):
        """I1 and I6: of one generation at most the first sending and one replay are out."""
        assert all(count <= 2 for count in self.sent.values())
        assert all(count <= 1 for count in self.replays.values())

    @invariant()
    def only_a_refusal_ends_a_login(self):
        """I7: nothing but a refusal leads to login_required."""
        if self.row.state is State.LOGIN_REQUIRED and self.before.state is not State.LOGIN_REQUIRED:
            assert self.last is Event.REFUSED

    @invariant()
    def an_attempt_is_named_exactly_while_it_is_open(self):
        """A row names an attempt while it waits for one or is in doubt about it, and else none."""
        is_open = self.row.state in (State.REFRESHING, State.REPLAYING, State.IN_DOUBT)
        assert (self.row.attempt_id is not None) == is_open


TestAccountWalk = AccountWalk.TestCase
TestAccountWalk.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
