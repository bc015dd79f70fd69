"""The table of cases: who answers, with which code, for which cause, and how to bring that about.

A case is a function that brings its cause about with the real programs and returns what they did.
The modules ``tests/contract/test_codes_*.py`` fill the table; each runs its own rows, and
``test_meta.py`` compares all of them with the contract.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.command import Ran
from tests.support.daemon import Answer
from tests.support.programs import BROKER, FETCHTOKEN

__all__ = ["BROKER", "FETCHTOKEN", "HTTP", "TABLE", "Case", "case", "cases_of", "check", "check_answer"]

HTTP = "HTTP"
INTERRUPTED = 130


@dataclass(frozen=True)
class Case:
    """One row.

    Attributes:
        who: a program's name, or ``HTTP``.
        code: exit code or status.
        cause: what brings it about; over HTTP it begins with the problem's code, if there is one.
        act: takes the module's fixture and returns a ``Ran`` or an ``Answer``.
        says: must stand in the error line, or in the output where the code is 0.
        hint: must stand in the hint line.
        notes: how many ``note:`` lines precede the error, or go with the output.
        headers: names of headers that the answer must have.
        module: where it is run.
    """

    who: str
    code: int
    cause: str
    act: Callable[[Any], Any]
    says: str
    hint: str
    notes: int
    headers: tuple[str, ...]
    module: str

    def __str__(self) -> str:
        return f"{self.who} {self.code} {self.cause}"


TABLE: dict[str, Case] = {}


def case(
    who: str,
    code: int,
    cause: str,
    *,
    says: str = "",
    hint: str = "",
    notes: int = 0,
    headers: tuple[str, ...] = (),
) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    def enter(act: Callable[[Any], Any]) -> Callable[[Any], Any]:
        row = Case(who, code, cause, act, says, hint, notes, headers, act.__module__)
        assert str(row) not in TABLE, f"two cases are called {row}"
        TABLE[str(row)] = row
        return act

    return enter


def cases_of(module: str) -> list[Case]:
    """Return the rows that a module has filled in, for ``parametrize``."""
    return [row for row in TABLE.values() if row.module == module]


def check(row: Case, ran: Ran) -> None:
    """Assert exit code, stdout and stderr of a program."""
    assert ran.code == row.code, ran
    assert "Traceback" not in ran.err
    lines = ran.err.splitlines()
    notes = [line for line in lines if line.startswith("note: ")]
    if row.code == 0:
        assert row.says in ran.out, ran
        assert row.hint in ran.err, ran
        if row.who == FETCHTOKEN:
            assert (notes, len(notes)) == (lines, row.notes), ran
        return
    assert ran.out == ""
    assert len(notes) == row.notes, ran
    first, *rest = [line for line in lines if line not in notes]
    assert first.startswith(f"{row.who}: "), ran
    assert row.says in first, ran
    if row.code == INTERRUPTED:
        assert rest == [], ran
    else:
        assert len(rest) == 1, ran
        assert rest[0].startswith("hint: "), ran
        assert row.hint in rest[0], ran


def check_answer(row: Case, answer: Answer) -> None:
    """Assert status, problem and headers of an answer."""
    assert answer.status == row.code, (answer.status, answer.body)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-request-id"]
    assert row.says in answer.body.decode(), answer.body
    assert [name for name in row.headers if name not in answer.headers] == []
    if row.code < 400:
        return
    problem = answer.document
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["status"] == answer.status
    assert problem["code"] == row.cause.partition(":")[0]
    assert problem["title"]
    assert problem["detail"]
    assert "access_token" not in problem
