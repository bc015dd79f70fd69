"""Fixtures of the contract tests."""

import pytest

from tests.support.issuer import issuer_in_thread


@pytest.fixture(scope="module")
def shared_issuer():
    """One strict issuer for a module's cases; each has a login of its own."""
    with issuer_in_thread() as running:
        yield running
