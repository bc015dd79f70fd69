"""Rows whose figure is every cell of a table: the tests that are its cells, run and counted."""

import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

__all__ = ["Suite", "run_suite"]

_ROOT = Path(__file__).parents[3]
_LAST_WORDS = 3000


@dataclass(slots=True)
class Suite:
    """What a row's tests came to."""

    what: str
    cells: Counter[str] = field(default_factory=Counter)
    """How many, by test."""
    wrong: list[str] = field(default_factory=list)
    """Those that failed or were skipped, or the end of what pytest said where it did not get so far."""

    @property
    def holds(self) -> bool:
        """Whether every cell was run and is as stated."""
        return bool(self.cells) and not self.wrong

    def to_document(self) -> dict[str, Any]:
        """Return it as JSON values."""
        by_test = dict(sorted(self.cells.items()))
        return {"what": self.what, "cells": self.cells.total(), "by_test": by_test, "wrong": self.wrong}

    def to_text(self) -> str:
        """Return it as lines for people."""
        lines = [f"{self.what}: {self.cells.total()} cells, {len(self.wrong)} not as stated"]
        lines += [f"  {count:>5}  {name}" for name, count in sorted(self.cells.items())]
        return "\n".join(lines + [f"  WRONG: {text}" for text in self.wrong])


def run_suite(
    what: str,
    *files: str,
    tell: Callable[[], None] = lambda: None,
    words: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
) -> Suite:
    """Run the tests of some files, whether they are part of every test run or not.

    Args:
        what: names the row.
        files: below ``tests``.
        tell: called for each cell, once all is over.
        words: further options of pytest.
        environ: on top of this process's environment.
    """
    found = Suite(what)
    with tempfile.TemporaryDirectory(prefix="suite-") as name:
        report = Path(name, "report.xml")
        given = ["-q", "-m", "", "-p", "no:cacheprovider", f"--junitxml={report}", *words]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *given, *(f"tests/{file}" for file in files)],
            cwd=_ROOT,
            env={**os.environ, **(environ or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        cases = list(ET.parse(report).iter("testcase")) if report.exists() else []  # noqa: S314 - our own
    for case in cases:
        found.cells[(case.get("name") or "").partition("[")[0]] += 1
        for end in ("failure", "error", "skipped"):
            if case.find(end) is not None:
                found.wrong.append(f"{case.get('name')}: {end}")
        tell()
    if done.returncode and not found.wrong:
        found.wrong.append(done.stdout[-_LAST_WORDS:])
    return found
