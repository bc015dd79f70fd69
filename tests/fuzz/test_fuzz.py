"""The fuzz figures of a merge, and that the program would notice a parser that breaks."""

import json

import pytest

from tests.fuzz import __main__ as program
from tests.fuzz import run
from tests.fuzz.parsers import PARSERS, Parser

COUNT = 20_000


def test_mutated_input_raises_declared_errors_only(record_property):
    """20,000 inputs, spread over every parser; a failure names the input, which --seed repeats."""
    seed = 20_261_126
    found = run.run_all(COUNT, seed)
    record_property("seed", seed)
    assert sum(figures.count for figures in found) == COUNT
    assert {figures.name: figures.broken for figures in found if figures.broken} == {}
    # Inputs that are all refused, or all accepted, would try only one side of a parser that has two.
    for figures, parser in zip(found, PARSERS, strict=True):
        assert figures.accepted, figures.name
        assert figures.refused or not parser.declared, figures.name


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_parser_that_breaks_is_told(monkeypatch, capsys, form):
    """Exit code 1, with the error, its place and the number of the input."""

    def breaks(*_):
        raise KeyError("an odd key")

    monkeypatch.setattr(run, "PARSERS", [Parser("broken", [b"x"], breaks)])
    assert program.main(["--count", "3", "--seed", "7", *form]) == 1
    said = capsys.readouterr().out
    assert "KeyError" in said
    assert "an odd key" in said
    if form:
        document = json.loads(said)
        assert (document["seed"], document["count"], document["broken"]) == (7, 3, 3)
        assert [one["input"] for one in document["parsers"][0]["broken"]] == [0, 1, 2]


def test_a_seed_repeats_a_run(monkeypatch):
    """The same inputs, one by one."""
    seen: list[bytes] = []
    monkeypatch.setattr(run, "PARSERS", [Parser("kept", [b'{"a": 1}'], lambda data, _: seen.append(data))])
    run.run_all(50, 7)
    run.run_all(50, 7)
    assert seen[:50] == seen[50:]
    run.run_all(50, 8)
    assert seen[100:] != seen[:50]
