"""What an invite code is good for: once, for a while, for one machine. Pure; time is an argument.

Theory
    A code makes one client, and the answer with its API key may be lost on the way. So the machine
    sends a nonce of its own with the code: for ten minutes whoever has both is told the same key
    again. The key is not kept for that, it is *made* from code and nonce under a key of the store's;
    neither of the two is stored, so afterwards nobody can make it once more.
"""

from dataclasses import dataclass
from enum import StrEnum
from hmac import digest

from broker.domain.apikey import ApiKey, new_key
from fetchtoken.domain.secret import Secret

__all__ = [
    "HELD_FOR_S",
    "KEPT_FOR_S",
    "TOLD_AGAIN_FOR_S",
    "Invite",
    "Verdict",
    "is_held",
    "judge",
    "key_for",
    "nonce_hash",
]

TOLD_AGAIN_FOR_S = 600.0
"""For so long the same nonce is told the same key."""

HELD_FOR_S = 600.0
"""For so long a code approves no device after too many wrong user codes: whoever holds it may mistype."""

KEPT_FOR_S = 30 * 86_400.0
"""How long after its end an invite is remembered, so that the trail can tell who tried it."""


class Verdict(StrEnum):
    """What a genuine code is worth now; those but the first two are outcomes in the audit trail."""

    OPEN = "open"
    AGAIN = "again"
    """It was used by this very nonce just now."""
    USED = "used"
    EXPIRED = "expired"
    ENDED = "ended"
    """Revoked, replaced by a newer code, or void since its store lives a second time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite:
    """One code, as the store holds it; never its text."""

    id: int
    name: str
    """Of the client that it makes."""
    code_id: str
    scopes: frozenset[str]
    accounts: frozenset[int]
    """Row ids of what the client will be granted; what was removed since is left out."""
    default_account: int | None
    expires_at: float
    """Epoch seconds."""
    ended: str
    """Why it does not count any more, or an empty text."""
    used_at: float | None
    nonce_hash: bytes | None
    client: int | None
    """Row id of the client that it made, or let a device in for."""
    created_at: float
    device: bool = False
    """It approves devices of a client that is there already, and makes none."""
    wrong: int = 0
    """Wrong user codes that came with it, since it was held last."""
    held_until: float | None = None
    """Epoch seconds before which it approves nothing, after too many of those."""


def judge(invite: Invite, nonce: bytes, now_s: float) -> Verdict:
    """Tell what a code is worth to whoever sends it with a nonce.

    Args:
        invite: the invite; the code was found genuine.
        nonce: keyed hash of the nonce (:func:`nonce_hash`).
        now_s: epoch seconds.
    """
    if invite.used_at is not None:
        same = nonce == invite.nonce_hash and now_s - invite.used_at < TOLD_AGAIN_FOR_S
        return Verdict.AGAIN if same else Verdict.USED
    if invite.ended or not invite.accounts:
        return Verdict.ENDED
    return Verdict.OPEN if now_s < invite.expires_at else Verdict.EXPIRED


def is_held(invite: Invite, now_s: float) -> bool:
    """Tell whether too many wrong user codes came with a code just now."""
    return invite.held_until is not None and now_s < invite.held_until


def nonce_hash(code: ApiKey, nonce: Secret, under: bytes) -> bytes:
    """Return what is stored of a nonce: it tells a repeated request from another machine's."""
    return _made("nonce", code, nonce, under)


def key_for(code: ApiKey, nonce: Secret, under: bytes) -> ApiKey:
    """Return the API key that a code and a nonce make: the same each time, and no other way.

    Args:
        code: the invite code; at least 128 bits of chance.
        nonce: the machine's own.
        under: the store's key for this (:attr:`broker.store.keys.StoreKeys.invite`).
    """
    return new_key("cbk", lambda size: _made(f"key {size}", code, nonce, under)[:size])


def _made(what: str, code: ApiKey, nonce: Secret, under: bytes) -> bytes:
    # No field but the last can hold a blank, so different fields never make the same text.
    return digest(under, f"{what}\n{code.text.reveal()}\n{nonce.reveal()}".encode(), "sha256")
