"""The judge is tried too: it must not let a loss pass for anything else."""

import pytest

from fetchtoken.oauth.journal import Phase
from tests.crash.harness.ledger import Ledger
from tests.crash.harness.verdict import Doubt, Held, Verdict, judge, weigh

LOGIN = "login"


def held(state: str, generation: int = 0) -> Held:
    return Held("account", state, generation, "attempt")


def sent(generation: int, decision: str = "rotated") -> dict[str, object]:
    entry = {"seq": 1, "route": "POST /oauth/token", "login_id": LOGIN}
    return {**entry, "generation": generation, "decision": decision}


def ledger(*entries: dict[str, object]) -> Ledger:
    made = Ledger()
    made.take(entries)
    return made


@pytest.mark.parametrize(
    ("state", "generation", "newest", "verdict"),
    [
        ("active", 1, 1, Verdict.WHOLE),
        ("active", 2, 1, Verdict.WHOLE),
        ("active", 1, 2, Verdict.LOST),
        ("login_required", 1, 1, Verdict.LOST),
        ("refreshing", 1, 2, Verdict.WAITS),
        ("replaying", 1, 2, Verdict.WAITS),
        ("in_doubt", 1, 2, Verdict.IN_DOUBT),
    ],
)
def test_a_row_behind_the_log_is_a_loss_unless_the_broker_says_that_it_does_not_know(
    state, generation, newest, verdict
):
    """An active row must be at the issuer's generation or beyond what of the log was read."""
    assert judge(held(state, generation), newest) is verdict


def test_a_doubt_of_which_the_issuer_saw_nothing_is_no_loss():
    """The old refresh token is still good."""
    assert weigh(Doubt(held("in_doubt"), LOGIN, Phase.SENT), ledger()) is None


def test_a_rotation_whose_answer_was_never_written_is_an_explained_loss():
    """The request had begun by the journal, and the issuer's log has it once."""
    loss = weigh(Doubt(held("in_doubt"), LOGIN, Phase.SENT), ledger(sent(0)))

    assert loss is not None
    assert loss.explained


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.SENT], ids=str)
def test_a_loss_is_not_explained_by_any_other_journal(phase):
    """An answer in the journal was not used, or no request should have left, or nobody can tell."""
    loss = weigh(Doubt(held("in_doubt"), LOGIN, phase), ledger(sent(0)))

    assert loss is not None
    assert not loss.explained


def test_a_token_that_was_sent_twice_is_never_explained():
    """The second sending ended the login, not the kill."""
    log = ledger(sent(0), sent(0, "reused: family revoked"))

    loss = weigh(Doubt(held("in_doubt"), LOGIN, Phase.SENT), log)

    assert loss is not None
    assert not loss.explained
    assert len(log.reused) == 1


def test_requests_that_did_not_rotate_are_noticed():
    """Nothing but rotations may come of an honest issuer and a broker that counts."""
    assert len(ledger(sent(0, "refused: invalid_grant")).strange) == 1
