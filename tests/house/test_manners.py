"""Manners of the code base that no linter knows."""

import ast
from pathlib import Path
from statistics import median, quantiles

import pytest

ROOT = Path(__file__).parents[2]
CODE = sorted([*ROOT.glob("fetchtoken/**/*.py"), *ROOT.glob("broker/**/*.py")])
TESTS = sorted(ROOT.glob("tests/**/test_*.py"))


def lines(path: Path) -> int:
    return path.read_text().count("\n")


def test_files_are_small() -> None:
    """Median at most 120 lines, nine of ten at most 300, none over 450."""
    sizes = sorted(lines(path) for path in CODE)
    assert median(sizes) <= 120
    assert quantiles(sizes, n=10)[-1] <= 300
    assert not [path.name for path in CODE if lines(path) > 450]


@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_test_says_what_it_holds(path: Path) -> None:
    """A test function states the behaviour in its docstring, whose first line is a sentence."""
    tree = ast.parse(path.read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, functions) and node.name.startswith("test_"):
            said = ast.get_docstring(node)
            assert said, f"{path.name}:{node.lineno} {node.name} has no docstring"
            assert said.splitlines()[0].rstrip().endswith("."), f"{path.name}:{node.lineno} is no sentence"


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_public_names_are_listed(path: Path) -> None:
    """A module that defines anything has a sorted ``__all__``."""
    tree = ast.parse(path.read_text())
    defines = any(
        isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef) for node in tree.body
    )
    listed = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and any(getattr(t, "id", "") == "__all__" for t in node.targets)
    ]
    if path.name == "__main__.py" or "migrations" in path.parts or not defines:
        return
    assert listed, f"{path.name} has no __all__"
    assert isinstance(listed[0], ast.List)
    names = [element.value for element in listed[0].elts if isinstance(element, ast.Constant)]
    assert len(names) == len(set(names))
