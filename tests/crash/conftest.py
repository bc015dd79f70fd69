"""A machine with a login at the strict issuer."""

from pathlib import Path

import pytest

from tests.support.issuer import Issuer
from tests.support.laptop import Laptop


@pytest.fixture
def laptop(tmp_path: Path, issuer: Issuer) -> Laptop:
    """Return a machine without a login."""
    return Laptop(tmp_path, issuer)
