"""Device logins to the broker: what Codex is given, who may approve it, and what comes of it. Pure.

Theory
    Codex asks for a login and gets two things: a user code for a person to type, and a long secret by
    which it asks how that went. Whoever approves shows an invite code beside the user code. Then the answer
    is an authorization code with its PKCE pair, both halves of it: OpenAI's flow has the server make them,
    and is not RFC 8628. Code and verifier are made from the long secret under a key of the store's. So
    nothing is stored that opens anything, and a lost answer is given once more, the very same, until the
    code is spent.
"""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from hashlib import sha256
from hmac import digest
from typing import NamedTuple

from broker.domain.client import is_live
from broker.domain.invite import Invite
from broker.domain.records import Client
from fetchtoken.domain.secret import Secret

__all__ = [
    "ALIVE_IN_ALL",
    "ALIVE_OF_ADDRESS",
    "KEPT_FOR_S",
    "LETTERS",
    "LIVES_S",
    "MOST_WRONG",
    "REDEEMABLE_FOR_S",
    "DeviceRequest",
    "DeviceState",
    "Hashed",
    "Pair",
    "Progress",
    "accounts_for",
    "challenge_of",
    "code_of",
    "hash_of",
    "is_alive",
    "new_secret",
    "new_user_code",
    "pair_of",
    "parse_user_code",
    "progress",
    "verifier_of",
]

LIVES_S = 600.0
"""How long a user code can be approved."""

REDEEMABLE_FOR_S = 120.0
"""Least time from the approval for Codex to fetch its credential: it asks every few seconds."""

KEPT_FOR_S = 900.0
"""How long after its end a request is remembered: Codex waits a quarter of an hour, and is told. One that
brought a credential is remembered for as long as that can live, so that a replayed code is known."""

ALIVE_OF_ADDRESS = 10
ALIVE_IN_ALL = 1000
"""Most requests that can be approved at one time; the codes of so many leave 30 bits to a guess."""

MOST_WRONG = 5
"""So many wrong invite codes end a request; so many wrong user codes hold an invite."""

LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Of user codes: 5 bits each, and none is taken for another (no 0, O, 1, I)."""

_HALF = 4
_BITS = 5


class DeviceState(StrEnum):
    """What became of a request; whether it has expired is the clock's to say."""

    WAITING = "waiting"
    APPROVED = "approved"
    DENIED = "denied"
    SPENT = "spent"
    """Its authorization code brought a credential."""
    VOID = "void"
    """Too many wrong invite codes, or its store lives a second time."""


class Progress(Enum):
    """What Codex is told that asks how its request goes."""

    PENDING = auto()
    APPROVED = auto()
    DENIED = auto()
    OVER = auto()
    """Unknown, expired, void or spent: waiting is of no use."""


class Hashed(StrEnum):
    """What is looked up by a keyed hash; the word keeps one from standing for another."""

    DEVICE = "device"
    USER = "user"
    CODE = "code"
    TICKET = "ticket"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRequest:
    """One request for a login, as the store holds it; never its secret or codes."""

    id: int
    client_id: str
    """Codex's own word for itself (RFC 6749 §2.2); no client of the broker's."""
    address: str
    """Of whoever asked."""
    created_at: float
    """Epoch seconds, as all times here."""
    expires_at: float
    wrong: int
    """Wrong invite codes so far."""
    state: DeviceState
    invite: int | None
    """Row id of the invite that its ticket was given for."""
    client: int | None
    """Row id of the client that it was approved for."""
    account: int | None
    machine: str
    """What the approver called the machine; empty until then."""
    credential: int | None
    """Row id of the machine credential that it brought."""


class Pair(NamedTuple):
    """What Codex redeems: an authorization code, and the verifier that goes with it."""

    code: Secret
    verifier: Secret


def new_secret(random_bytes: Callable[[int], bytes]) -> Secret:
    """Return a new secret of 256 bits, as text that may stand in JSON and in forms."""
    return Secret(_text(random_bytes(32)))


def new_user_code(random_bytes: Callable[[int], bytes]) -> Secret:
    """Return a new user code, ``XXXX-XXXX``: 40 bits."""
    bits = int.from_bytes(random_bytes(_BITS), "big")
    text = "".join(LETTERS[bits >> _BITS * place & 31] for place in range(2 * _HALF))
    return Secret(f"{text[:_HALF]}-{text[_HALF:]}")


def parse_user_code(text: str) -> Secret | None:
    """Return the user code that a person typed, whatever its case, hyphens and blanks, or ``None``."""
    letters = "".join(text.upper().replace("-", "").split())
    if len(letters) != 2 * _HALF or not set(LETTERS).issuperset(letters):
        return None
    return Secret(f"{letters[:_HALF]}-{letters[_HALF:]}")


def hash_of(what: Hashed, text: Secret, under: bytes) -> bytes:
    """Return what is stored of a secret, and looked up: nobody can aim at a hash whose key is not theirs.

    Args:
        what: which of them it is.
        text: the secret.
        under: the store's key for this (:attr:`broker.store.keys.StoreKeys.device`).
    """
    return _made(f"hash {what}", text, under)


def code_of(device: Secret, under: bytes) -> Secret:
    """Return the authorization code of a request, the same each time."""
    return Secret(_text(_made("authorization code", device, under)))


def verifier_of(code: Secret, under: bytes) -> Secret:
    """Return the PKCE verifier that belongs to an authorization code."""
    return Secret(_text(_made("verifier", code, under)))


def pair_of(device: Secret, under: bytes) -> Pair:
    """Return what a request is answered with once it is approved."""
    code = code_of(device, under)
    return Pair(code, verifier_of(code, under))


def challenge_of(verifier: Secret) -> str:
    """Return the challenge to a verifier (RFC 7636 §4.2, S256)."""
    return _text(sha256(verifier.reveal().encode()).digest())


def is_alive(request: DeviceRequest, now_s: float) -> bool:
    """Tell whether a request can still be approved, or can still bring its credential."""
    return request.state in (DeviceState.WAITING, DeviceState.APPROVED) and now_s < request.expires_at


def progress(request: DeviceRequest | None, now_s: float) -> Progress:
    """Return what to tell whoever asks how a request goes; ``None`` for an unknown one."""
    if request is not None and request.state is DeviceState.DENIED:
        return Progress.DENIED
    if request is None or not is_alive(request, now_s):
        return Progress.OVER
    return Progress.APPROVED if request.state is DeviceState.APPROVED else Progress.PENDING


def accounts_for(invite: Invite, client: Client | None, now_s: float) -> frozenset[int]:
    """Return for which accounts an invite can approve a device; none where it can approve nothing.

    Args:
        invite: one that counts.
        client: the one that has its name, if there is one.
        now_s: epoch seconds.
    """
    if not invite.device:
        return invite.accounts if client is None and "token" in invite.scopes else frozenset()
    if client is None or not is_live(client, now_s) or "token" not in client.scopes:
        return frozenset()
    return invite.accounts & client.accounts


def _made(what: str, text: Secret, under: bytes) -> bytes:
    return digest(under, f"{what}\n{text.reveal()}".encode(), "sha256")


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
