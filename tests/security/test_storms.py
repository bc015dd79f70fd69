"""Storms at ``/oauth/token``: no exchange, no memory, and whoever is beside them is answered as ever."""

import pytest

from tests.support.daemon import running_daemon
from tests.support.issuer import issuer_in_thread
from tests.support.storms import KINDS, Sky, memory_kb, post, storming

RUN = 21
"""Posts of one failing run of the Codex CLI."""

TEN_SECONDS = 400
"""Posts of a Codex that goes on without end."""

ENOUGH = 100
"""Questions of each neighbour: fewer than one machine may ask at once."""

STATUSES = {
    "proactive": {200, 429},
    "recovery": {200, 429},
    "revoked": {401},
    "removed": {401},
    "rubbish": {400},
    "guesses": {401, 429},
}


@pytest.fixture(scope="module")
def issuer():
    with issuer_in_thread() as running:
        yield running


@pytest.fixture(scope="module")
def sky(tmp_path_factory, issuer):
    """A broker whose account is old enough to be exchanged, if anything here asked for it."""
    with running_daemon(tmp_path_factory.mktemp("sky"), issuer.url) as daemon:
        daemon.hold(issuer.mint(age_s=3600), "work")
        yield Sky(daemon)


@pytest.fixture(scope="module")
def key(sky):
    return sky.daemon.add_client("laptop", "work")


def usage_checks(issuer):
    return [entry for entry in issuer.log() if "usage" in entry["route"]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("posts", [RUN, TEN_SECONDS])
def test_a_storm_costs_nothing_and_holds_up_nobody(sky, issuer, key, kind, posts):
    """While it goes on, a client and two machines behind its address get their answers, and one elsewhere."""
    exchanges, here, elsewhere = len(issuer.exchanges()), sky.address(), sky.address()
    known, newcomer, far = sky.machine(), sky.machine(), sky.machine()

    def others():
        yield sky.daemon.get("/codex", key, source=here)
        yield post(sky.daemon.url, known, source=here)
        yield post(sky.daemon.url, far, source=elsewhere)
        if kind != "guesses":  # beside a guesser a good key of a stranger is not looked at
            yield post(sky.daemon.url, newcomer, source=here)

    assert sky.daemon.get("/codex", key, source=here).status == 200
    assert post(sky.daemon.url, known, source=here).status == 200
    statuses = set()
    with storming(sky, kind, posts=posts, source=here, threads=RUN) as storm:
        for _ in range(ENOUGH):
            statuses |= {answer.status for answer in others()}
            if storm.over.is_set():
                break
    assert statuses <= {200}
    assert {answer.status for answer in others()} == {200}
    assert set(storm.answers) <= STATUSES[kind]
    assert sum(storm.answers.values()) == posts
    assert len(issuer.exchanges()) == exchanges


def test_recovery_asks_the_backend_once_however_many_storm(sky, issuer):
    """One question in a minute for the account, and no exchange, since the backend takes the token."""
    sky.daemon.hold(issuer.mint(age_s=3600), "asked")
    made = [
        sky.daemon.call(
            "client_add", name=f"asked-{number}", accounts=["asked"], scopes=["token"], machine=True
        )
        for number in range(3)
    ]
    before = len(usage_checks(issuer))
    for _ in range(RUN):
        for machine in made:
            assert (
                post(sky.daemon.url, machine["refresh_token"], reason="unauthorized_recovery").status == 200
            )
    assert len(usage_checks(issuer)) == before + 1


def test_memory_does_not_grow_with_storms(sky):
    """After a first round, which fills what is kept for reuse, further ones leave nothing behind."""
    for posts in (RUN, 100, TEN_SECONDS):
        before = memory_kb(sky.daemon.process.pid)
        for kind in KINDS:
            with storming(sky, kind, posts=posts, source=sky.address()):
                pass
    assert memory_kb(sky.daemon.process.pid) - before < 4096
