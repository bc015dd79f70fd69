"""Proof Key for Code Exchange (RFC 7636) and the ``state`` of a browser login. Pure."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from fetchtoken.domain.secret import Secret

__all__ = ["Pkce", "challenge_of", "make_pkce", "random_text"]

_VERIFIER_BYTES = 64
_STATE_BYTES = 32


@dataclass(frozen=True, slots=True)
class Pkce:
    """What one browser login keeps to itself until its end."""

    verifier: Secret
    """86 characters; leaves only with the code."""
    state: Secret
    """43 characters; whoever brings the answer must know it (RFC 6749 §10.12)."""

    @property
    def challenge(self) -> str:
        """What the issuer is shown instead of the verifier."""
        return challenge_of(self.verifier.reveal())


def random_text(random_bytes: bytes) -> str:
    """Return bytes as base64url without padding."""
    return urlsafe_b64encode(random_bytes).decode().rstrip("=")


def challenge_of(verifier: str) -> str:
    """Return the ``S256`` challenge of a verifier (RFC 7636 §4.2)."""
    return random_text(sha256(verifier.encode()).digest())


def make_pkce(random_bytes: Callable[[int], bytes]) -> Pkce:
    """Make the secrets of one login, as long as Codex makes them.

    Args:
        random_bytes: ``n`` → that many random bytes.
    """
    verifier = random_text(random_bytes(_VERIFIER_BYTES))
    return Pkce(Secret(verifier), Secret(random_text(random_bytes(_STATE_BYTES))))
