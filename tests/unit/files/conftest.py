"""A directory that other users can reach."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.places import open_directory


@pytest.fixture
def shared() -> Iterator[Path]:
    """Return a new directory, 0755, below one that is sticky."""
    with open_directory() as path:
        yield path
