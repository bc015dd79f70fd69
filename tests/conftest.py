"""Fixtures that any test may ask for."""

from tests.support.issuer import issuer, issuer_process

__all__ = ["issuer", "issuer_process"]
