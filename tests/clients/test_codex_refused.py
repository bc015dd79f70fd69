"""The real Codex CLI whose token the backend refuses: one exchange, however often it posts, or none."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from fetchtoken.domain.secret import Secret
from tests.support.codex_cli import worked

USAGE = "/backend-api/wham/usage"
AGED_S = 3600
"""Since its token was issued: a younger one is not exchanged again."""


@pytest.fixture
def machine(office, codex):
    """A machine whose account's token is an hour old."""
    codex.use_auth_file()
    return office.enrol(age_s=AGED_S)


@pytest.fixture
def nothing_opens(office, machine):
    """The issuer's usage page refuses every token of the account."""
    office.issuer.fault("status-401", route=USAGE, times=-1, login_id=machine.login.login_id)
    yield
    office.issuer.clear_faults()


def looks(office):
    """Return how often the broker has asked the usage page, and how it was answered."""
    return [entry for entry in office.issuer.log() if entry["route"] == f"GET {USAGE}"]


@pytest.mark.trap("T15")
@pytest.mark.usefixtures("nothing_opens")
@pytest.mark.parametrize("expired", [False, True], ids=["live", "ended"])
def test_a_token_that_nothing_takes_is_exchanged_once(office, codex, machine, expired):
    """Refused everywhere, before the exchange and after it: Codex posts on, and there is one exchange."""
    machine.write(codex.home, "" if expired else machine.token())
    before = len(looks(office))
    assert codex.run(**machine.environment).returncode == 1
    assert codex.run(**machine.environment).returncode == 1
    assert len(machine.refreshes) > 4
    assert {status for status, _ in machine.refreshes} == {200}
    assert machine.exchanges == 1
    assert len(looks(office)) == before + 1


@pytest.mark.trap("T15")
@pytest.mark.usefixtures("nothing_opens")
def test_machines_of_one_account_cause_one_exchange_together(office, codex, machine):
    """Three at once, each by its own credential."""
    machines = [machine, office.enrol(of=machine), office.enrol(of=machine)]
    machine.write(codex.home, machine.token())
    with ThreadPoolExecutor(3) as pool:
        runs = list(pool.map(lambda one: codex.run(**one.environment), machines))
    assert [run.returncode for run in runs] == [1] * 3
    assert machine.exchanges == 1


def test_a_token_that_was_refused_is_replaced_and_the_turn_goes_on(office, codex, machine):
    """The one exchange brings a token that the backend takes, within the very run."""
    first = machine.token()
    machine.write(codex.home, first)
    office.issuer.fault("status-401", route=USAGE, times=1, login_id=machine.login.login_id)
    codex.backend.accept_if(lambda bearer: bearer != first and bearer == machine.token())
    run = codex.run(**machine.environment)
    assert worked(run), run.stderr
    assert machine.exchanges == 1
    assert codex.backend.responses[-1].bearer == Secret(machine.token()).fingerprint()


def test_a_token_that_only_the_model_refuses_is_not_exchanged(office, codex, machine):
    """The usage page takes it, so it is no refused token: it is looked at once, and nothing is exchanged."""
    machine.write(codex.home, machine.token())
    before = len(looks(office))
    assert codex.run(**machine.environment).returncode == 1
    assert codex.run(**machine.environment).returncode == 1
    assert len(machine.refreshes) > 4
    assert [entry["status"] for entry in looks(office)[before:]] == [200]
    assert machine.exchanges == 0


def test_a_young_token_is_not_exchanged_whoever_refuses_it(office, codex):
    """Within ten minutes of its exchange a token is not exchanged again."""
    machine = office.enrol()
    office.issuer.fault("status-401", route=USAGE, times=-1, login_id=machine.login.login_id)
    codex.use_auth_file()
    machine.write(codex.home, machine.token())
    try:
        assert codex.run(**machine.environment).returncode == 1
    finally:
        office.issuer.clear_faults()
    assert machine.exchanges == 0
