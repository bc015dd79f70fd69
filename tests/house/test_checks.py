"""The checks that hold for every file: lint, format, types, layers."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
        ["mypy", "deploy"],
        ["lint-imports"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_a_check_is_clean(command: list[str], tmp_path: Path) -> None:
    """Lint, format, types and import layers have nothing to say."""
    program, *arguments = command
    caches = {
        "ruff": ["--cache-dir", str(tmp_path)],
        "mypy": ["--cache-dir", str(tmp_path)],
        "lint-imports": ["--cache-dir", str(tmp_path)],
    }
    done = subprocess.run(
        [BIN / program, *arguments, *caches[program]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
