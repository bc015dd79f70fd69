"""Row 10 of the reliability table: each answer of the issuer, through the real command.

Every cell has two machines: on one the token has expired and a plain ``codex-fetchtoken`` meets the
answer; on the other it is stale and the timer's ``codex-fetchtoken refresh`` does.
"""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from fetchtoken.oauth.outcome import Kind
from tests.crash.table_issuer import CELLS, KILLED, NOTHING, PATIENCE_S, ROTATED, Cell
from tests.support.issuer import Login, issuer_in_thread
from tests.support.laptop import EXPIRED, STALE, Laptop

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(300)]

LONG = {"hang", "commit-then-hang"}
"""These take the fifteen seconds of the request's limit; a refusal waits five for another holder's file."""


@dataclass(frozen=True)
class Means:
    """What a class means for a file.

    Attributes:
        exit_code: of the command that met the answer.
        says: stands in its error line.
        note: a later command that prints the live token says why it is not renewed.
    """

    exit_code: int
    says: str = ""
    note: bool = False


MEANS = {
    Kind.TOKENS: Means(0),
    Kind.REFUSED: Means(3, "its refresh token was refused"),
    Kind.TRY_LATER: Means(5, "the issuer asks to try later"),
    Kind.UNKNOWN: Means(5, "in doubt", note=True),
}
NEXT_TOKEN = "no-access-token"
"""Its refresh token alone is kept, and is the login from then on: not a doubt here."""


def means(cell: Cell) -> Means:
    return MEANS[Kind.TRY_LATER if cell.fault == NEXT_TOKEN else cell.kind]


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """Return what makes a machine with a login that meets a cell's answer."""
    base = tmp_path_factory.mktemp("machines")
    with ExitStack() as stack:
        # The shape of errors is a setting of a whole issuer.
        issuers = {shape: stack.enter_context(issuer_in_thread()) for shape in {cell.shape for cell in CELLS}}
        for shape, issuer in issuers.items():
            issuer.settings(error_shape=shape)

        def make(cell: Cell, **life: int) -> tuple[Laptop, Login]:
            issuer = issuers[cell.shape]
            made = Laptop(base / f"{cell} {life['age_s']}".replace("/", "-"), issuer)
            login = made.log_in(**life)
            if cell.fault:
                issuer.fault(cell.fault, login_id=login.login_id, seconds=10 * cell.patience_s or 1)
            return made, login

        yield make


@pytest.fixture(scope="module")
def under_way(machine):
    """Begin what takes long before anything else."""
    with ThreadPoolExecutor(12) as pool:
        yield {
            (work, cell): pool.submit(work, machine, cell)
            for work, cell in WORK
            if cell.kind is Kind.REFUSED or cell.fault in LONG
        }


def decisions(laptop: Laptop, login: Login) -> list[str]:
    """Return what the issuer did with each request for a login."""
    return [entry["decision"] for entry in laptop.issuer.exchanges() if entry["login_id"] == login.login_id]


def expired(machine: Callable[..., tuple[Laptop, Login]], cell: Cell) -> None:
    """Meet the answer with an expired token, twice, and then as the timer does."""
    laptop, login = machine(cell, **EXPIRED)
    met = laptop.run()
    assert met.code == means(cell).exit_code, met
    assert means(cell).says in met.err
    assert decisions(laptop, login) == [cell.log]
    if cell.kind is Kind.TOKENS:
        assert met.out == laptop.access_token + "\n" != login.access_token + "\n"
    else:
        assert (met.out, laptop.access_token) == ("", login.access_token)
        assert (laptop.document() == login.document) == (cell.fault != NEXT_TOKEN)

    wanted = [cell.log]
    sent_again = cell.kind is Kind.TRY_LATER and not cell.patience_s
    ran = laptop.run()
    if sent_again or cell.fault == NEXT_TOKEN:
        # Nothing that the issuer said stands in the way.
        wanted.append(ROTATED if cell.log == NOTHING or cell.fault == NEXT_TOKEN else KILLED)
        assert ran.code == (0 if wanted[-1] == ROTATED else 3), ran
    else:
        assert ran.code == met.code, ran
    if cell.patience_s:
        said = re.search(r"(\d+) s to wait", ran.err)
        assert said, ran
        assert 0 < int(said[1]) <= 10 * PATIENCE_S
    assert decisions(laptop, login) == wanted

    if cell.kind is Kind.UNKNOWN and cell.fault != NEXT_TOKEN:
        # Expired: there is nothing left to lose, so the timer sends it once more.
        wanted.append(ROTATED if cell.log == NOTHING else KILLED)
        ran = laptop.run("refresh")
        assert ran.code == (0 if wanted[-1] == ROTATED else 3), ran
        laptop.run("refresh")
        assert decisions(laptop, login) == wanted
    if wanted[-1] == ROTATED and ran.code == 0:
        assert laptop.issuer.alive(laptop.access_token)


def stale(machine: Callable[..., tuple[Laptop, Login]], cell: Cell) -> None:
    """Meet the answer while the token is alive: whatever it is, the token is printed on."""
    laptop, login = machine(cell, **STALE)
    met = laptop.run("refresh")
    assert met.code == means(cell).exit_code, met
    assert (means(cell).says in met.err, met.out) == (True, "")
    ran = laptop.run()
    assert (ran.code, ran.out) == (0, laptop.access_token + "\n")
    assert (laptop.access_token != login.access_token) == (cell.kind is Kind.TOKENS)
    assert laptop.issuer.alive(laptop.access_token)
    assert ("note:" in ran.err) == means(cell).note
    assert decisions(laptop, login) == [cell.log]


def _matters(work: object, cell: Cell) -> bool:
    """Leave out what only repeats another cell: the daemon's tests have each way to tell a refusal."""
    spelt = cell.shape != "nested" or cell.fault.startswith("status-")
    repeats = (cell.shape == "top" and cell.fault != "refuse-reused") or "status-40" in cell.fault
    return cell.kind is not Kind.REFUSED or (work is expired and not repeats) or not spelt


WORK = [(work, cell) for cell in CELLS for work in (expired, stale) if _matters(work, cell)]


@pytest.mark.parametrize(("work", "cell"), WORK, ids=[f"{cell}, {work.__name__}" for work, cell in WORK])
def test_each_answer_has_its_exit_code_and_its_next_command(machine, under_way, cell, work):
    """Exit code, what is printed, what is left in the file, and whether the next command sends."""
    if (work, cell) in under_way:
        under_way[work, cell].result()
    else:
        work(machine, cell)


def test_tokens_that_are_born_expired_are_not_asked_for_by_each_command(laptop):
    """The issuer's clock is behind, or this machine's ahead: no command of the next minute sends again."""
    laptop.issuer.settings(offset_s=-20 * 86_400)
    login = laptop.log_in(life_s=864_000)
    for _ in range(3):
        ran = laptop.run()
        assert (ran.code, ran.out) == (5, "")
        assert "the issuer gives only 0 s" in ran.err
    assert decisions(laptop, login) == ["rotated"]
    assert laptop.run("--force-refresh").code == 5
    assert decisions(laptop, login) == ["rotated", "rotated"]
