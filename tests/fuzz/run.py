"""Runs so many inputs, spread evenly over all parsers, and keeps account of them."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from time import perf_counter
from typing import Any

from tests.fuzz.mutate import mutated
from tests.fuzz.parsers import PARSERS, Parser

__all__ = ["Figures", "run_all"]

_MOST_KEPT = 20


@dataclass
class Figures:
    """What one parser was given, and what came of it."""

    name: str
    count: int = 0
    accepted: int = 0
    refused: int = 0
    """With an error that the parser declares."""
    broken: list[dict[str, Any]] = field(default_factory=list)
    """Each other error: its kind, where, and the number of the input."""
    wall_s: float = 0.0

    def to_document(self) -> dict[str, Any]:
        return {**vars(self), "wall_s": round(self.wall_s, 1), "broken": self.broken[:_MOST_KEPT]}


def run_all(count: int, seed: int, tell: Callable[[Figures], None] = lambda _: None) -> list[Figures]:
    """Give every parser its share of so many inputs.

    Args:
        count: of inputs in all; the first parsers get one more where it does not divide.
        seed: input number N of a parser is the same in every run with this seed.
        tell: takes each parser's figures when it is done.
    """
    found = []
    for number, parser in enumerate(PARSERS):
        share = count // len(PARSERS) + (number < count % len(PARSERS))
        found.append(_run(parser, share, seed))
        tell(found[-1])
    return found


def _run(parser: Parser, count: int, seed: int) -> Figures:
    figures = Figures(parser.name)
    begun_s = perf_counter()
    for number in range(count):
        chance = Random(f"{seed} {parser.name} {number}")
        data = mutated(parser.seeds, chance)
        try:
            parser.parse(data, chance)
        except parser.declared:
            figures.refused += 1
        except Exception as error:  # noqa: BLE001 - that there is none is what is tried here
            figures.broken.append(_told(error, number))
        else:
            figures.accepted += 1
    figures.count = count
    figures.wall_s = perf_counter() - begun_s
    return figures


def _told(error: Exception, number: int) -> dict[str, Any]:
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{last.filename}:{last.lineno}"
    return {"input": number, "error": type(error).__name__, "says": str(error)[:200], "where": where}
