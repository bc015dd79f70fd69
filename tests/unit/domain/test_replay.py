"""When the one replay may be used without a person."""

import pytest

from broker.domain.account import State
from broker.domain.replay import by_itself_from, is_open
from broker.domain.secondlife import Why, word_of
from fetchtoken.domain.secret import Secret
from tests.support.records import NOW, an_account

HERE = "host:1"
DOUBT = {"state": State.IN_DOUBT, "journal_id": HERE}


def test_only_after_the_access_token_expired():
    """One second after the token is served for the last time, or at the end of a back-off that can be one."""
    edge = int(NOW) + 864_000 - 360
    assert by_itself_from(an_account(**DOUBT), HERE, NOW) == edge + 1
    assert by_itself_from(an_account(**DOUBT, not_before_s=edge + 99.0), HERE, edge) == edge + 99.0
    assert by_itself_from(an_account(**DOUBT, not_before_s=edge + 3.2e7), HERE, edge) == edge + 1


@pytest.mark.parametrize(
    "change",
    [
        {"state": State.ACTIVE},
        {"state": State.LOGIN_REQUIRED},
        {"replay_used": True},
        {"adopting": True},
        {"refresh_token": Secret("")},
        {"restored": True},
        {"disabled": True},
        {"journal_id": "elsewhere:1"},
        {"journal_id": None},
        {"expires_at": None},
    ],
    ids=lambda change: "-".join(f"{key}={value}" for key, value in change.items()),
)
def test_never_by_itself(change):
    """Used, restored, disabled, with a journal elsewhere or a token that never expires: a person decides."""
    assert by_itself_from(an_account(**(DOUBT | change)), HERE, NOW) is None


@pytest.mark.parametrize("change", [{"restored": True}, {"disabled": True}, {"journal_id": None}])
def test_a_person_may(change):
    """What keeps a replay from happening by itself does not keep a person from ordering it."""
    assert is_open(an_account(**(DOUBT | change)))


def test_nobody_may_where_the_token_is_spent():
    """A generation that this home has exchanged is sent by no order: the issuer would end the login."""
    assert not is_open(an_account(**DOUBT, restored=True, last_error=word_of(Why.SPENT)))
