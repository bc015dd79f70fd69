"""A world with settings files in it."""

from pathlib import Path

import pytest

from fetchtoken.settings import cascade
from tests.support.command import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Return a world whose ``/etc`` is ``home/etc``."""
    found = World(tmp_path)
    monkeypatch.setattr(cascade, "SYSTEM_DIRECTORY", str(found.home / "etc"))
    return found
