"""Machine credentials: who may use one, and what a refused token is worth. Every cell."""

from itertools import product

import pytest

from broker.domain.machine import Demand, History, may_exchange, recovery, refusal_of
from tests.support.records import NOW, a_client, a_machine, an_account

ENDS = {"never": None, "later": NOW + 1, "now": NOW}
INVALID, EXPIRED = "refresh_token_invalidated", "refresh_token_expired"
CELLS = [
    dict(
        zip(
            ("machine_end", "client_end", "revoked", "client_revoked", "scoped", "granted"), cell, strict=True
        )
    )
    for cell in product(ENDS, ENDS, *[[False, True]] * 4)
]

OLD, HELD, OTHER = ("login-1", 2), ("login-1", 3), ("login-2", 0)


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: " ".join(map(str, cell.values())))
def test_no_cell_lets_in_a_credential_that_ended(cell):
    """Revoked, without grant or without scope is invalidated; only then what has run out is expired."""
    machine = a_machine(expires_at=ENDS[cell["machine_end"]], revoked_at=NOW - 5 if cell["revoked"] else None)
    client = a_client(
        expires_at=ENDS[cell["client_end"]],
        revoked_at=NOW - 5 if cell["client_revoked"] else None,
        scopes=frozenset({"token"} if cell["scoped"] else {"quota"}),
        accounts=frozenset({1} if cell["granted"] else {7}),
    )
    ended = cell["revoked"] or cell["client_revoked"] or not cell["scoped"] or not cell["granted"]
    ran_out = "now" in (cell["machine_end"], cell["client_end"])
    expected = INVALID if ended else EXPIRED if ran_out else None
    assert refusal_of(machine, client, an_account(), NOW) == expected


@pytest.mark.parametrize("unknown", ["machine", "client", "account"])
def test_whatever_is_gone_is_invalidated(unknown):
    """A credential that nobody knows, or whose client or account was removed, has been revoked."""
    parts = {"machine": a_machine(), "client": a_client(), "account": an_account()} | {unknown: None}
    assert refusal_of(*parts.values(), NOW) == INVALID


def test_a_disabled_account_does_not_end_the_login():
    """What an administrator may undo must not send the machine's user to log in again."""
    assert refusal_of(a_machine(), a_client(), an_account(disabled=True), NOW) is None


@pytest.mark.parametrize(
    ("served", "history", "at", "demand"),
    [
        (OLD, History(), 0, Demand.HELD),
        (OTHER, History(), 0, Demand.HELD),
        (HELD, History(), 0, Demand.CHECK),
        (None, History(), 0, Demand.CHECK),
        (HELD, History(checked=HELD, checked_s=100), 159, Demand.HELD),
        (HELD, History(checked=HELD, checked_s=100), 160, Demand.CHECK),
        (None, History(checked=OLD, checked_s=100), 159, Demand.HELD),
        (OLD, History(checked=HELD, checked_s=100), 500, Demand.HELD),
    ],
)
def test_what_a_machine_gets_that_was_refused(served, history, at, demand):
    """A newer token without a question; else the backend is asked, once a minute for each account."""
    assert recovery(HELD, served, history, at) is demand


@pytest.mark.parametrize(
    ("demanded", "issued_at", "allowed"),
    [
        (None, NOW - 600, True),
        (None, None, True),
        (None, NOW - 599, False),
        (HELD, NOW - 5000, False),
        (OLD, NOW - 5000, True),
        (HELD, None, False),
    ],
)
def test_when_a_demand_may_cause_an_exchange(demanded, issued_at, allowed):
    """Once for each generation, and not within ten minutes of the last exchange."""
    assert may_exchange(HELD, History(demanded=demanded), 0, issued_at=issued_at, now_s=NOW) is allowed


@pytest.mark.parametrize(("at", "allowed"), [(699, False), (700, True)])
def test_ten_minutes_are_counted_whatever_the_wall_clock_says(at, allowed):
    """A token may look old that was brought a minute ago."""
    history = History(demanded=OLD, demanded_s=100)
    assert may_exchange(HELD, history, at, issued_at=NOW - 5000, now_s=NOW) is allowed
