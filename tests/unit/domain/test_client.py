"""What a client may do: each combination of scope, grant, expiry, revocation and account."""

from itertools import product

import pytest

from broker.domain.client import choose_account, decide, is_live
from tests.support.records import NOW, a_client, an_account

EXPIRY = {"never": None, "later": NOW + 1, "now": NOW, "past": NOW - 1}
ACCOUNTS = {"unknown": None, "enabled": an_account(), "disabled": an_account(disabled=True)}
MATRIX = list(product(EXPIRY, [None, NOW - 5], [True, False], [True, False], ACCOUNTS))


@pytest.mark.parametrize(("expiry", "revoked_at", "scoped", "granted", "account"), MATRIX)
def test_no_cell_lets_in_who_should_not_be(expiry, revoked_at, scoped, granted, account):
    """Only a live key with scope and grant gets an enabled account; the first lack is the reason."""
    client = a_client(
        expires_at=EXPIRY[expiry],
        revoked_at=revoked_at,
        scopes=frozenset({"token"}) if scoped else frozenset({"quota", "admin"}),
        accounts=frozenset({1, 7}) if granted else frozenset({7}),
    )
    live = revoked_at is None and expiry in ("never", "later")
    lacks = [
        (not live, "invalid_token"),
        (not scoped, "insufficient_scope"),
        (not granted or account == "unknown", "not_granted"),
        (account == "disabled", "account_disabled"),
    ]
    expected = next((code for lack, code in lacks if lack), None)
    assert decide(client, ACCOUNTS[account], "token", NOW) == expected
    assert is_live(client, NOW) is live


@pytest.mark.parametrize(
    ("granted", "default", "chosen"),
    [
        ({1}, None, 1),
        ({1}, 2, 1),
        ({1, 2}, 2, 2),
        ({1, 2}, None, None),
        ({1, 2}, 3, None),
        (set(), None, None),
        (set(), 3, None),
    ],
)
def test_which_account_is_meant(granted, default, chosen):
    """The only grant, else a default that is granted, else nobody can tell."""
    client = a_client(accounts=frozenset(granted), default_account=default)
    assert choose_account(client) == chosen
