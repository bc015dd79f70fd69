"""What is wrong with an account, what is still safe, and the one thing to do. Pure.

Errors, ``account show``, ``check`` and the log all speak from here, so that they say the same.
"""

from dataclasses import dataclass
from enum import StrEnum

from broker.domain.account import State
from broker.domain.records import Account
from broker.domain.schedule import servable
from broker.domain.secondlife import Why, is_spent, why_of
from fetchtoken.domain.instants import to_rfc3339
from fetchtoken.domain.token import CODEX_WINDOW_S

__all__ = [
    "EXPORTED",
    "Kind",
    "Trouble",
    "refusal_word",
    "relogin",
    "still_safe",
    "suspect",
    "trouble_of",
]

EXPORTED = "exported"
"""``last_error`` of an account whose refresh token was handed to a person."""

_OTHER_HOLDER = "other_holder"
_LOST = "lost_in_replay"
_USED_BEFORE = frozenset({"refresh_token_reused", "invalid_grant"})
"""What an issuer says of a refresh token that somebody has exchanged already."""

_IF_UNUSED = "if nothing has used its login since"

_SECOND_LIVES: dict[Why | None, str] = {
    None: (
        "may have moved on elsewhere: it comes from a backup or another copy of this home, or a journal of it"
        " could not be read"
    ),
    Why.BACKUP: "comes from a backup made at {detail}: its login may have moved on since",
    Why.PUT_BACK: "is older in the store than this home has seen it: an old database file was put back",
    Why.OTHER_HOME: "came in a store that belongs to another home, where its login may still be in use",
    Why.COPIED: "lies in a copy of another home ({detail}), where its login may still be in use",
    Why.SLEPT: (
        "lies in a home where nobody was at work since {detail}, as in an old image of a machine whose"
        " original went on"
    ),
    Why.SPENT: (
        "came back with an older store, and this home has exchanged its refresh token since: sent again, the"
        " issuer would end the login"
    ),
    Why.FILE: "has another holder: {file} holds a refresh token of the same user that is not from here",
}


class Kind(StrEnum):
    """Why an account cannot be renewed without a person."""

    IN_DOUBT = "in_doubt"
    REFUSED = "refused"
    OTHER_HOLDER = "other_holder"
    """Refused at the first sending as used before: somebody else has used it."""
    LOST = "lost_by_us"
    """Refused at our own replay: the first sending had succeeded and its answer never arrived."""
    EXPORTED = "exported"
    RESTORED = "restored"
    """Its home or store lives a second time: its login may be in use elsewhere."""
    SPENT = "spent"
    """Its store came back from before a rotation: no order can send what it holds."""
    MOVED_ON = "moved_on"
    """The file that it was imported from holds a newer refresh token."""


_MAY_HAVE_ENDED = frozenset({Kind.REFUSED, Kind.OTHER_HOLDER, Kind.LOST})
"""A strict issuer ends the whole family, access tokens included (RFC 9700 §4.14.2)."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One account's trouble, in words that follow the account's name."""

    kind: Kind
    what: str
    safe: str
    todo: str


def refusal_word(code: str, *, lost: bool) -> str:
    """Return what ``last_error`` says of a refusal: ours and another holder's stay apart.

    Args:
        code: the issuer's error word.
        lost: it answered our own replay.
    """
    if lost:
        return f"{_LOST}: {code}"
    return f"{_OTHER_HOLDER}: {code}" if code in _USED_BEFORE else code


def suspect(account: Account) -> str:
    """Return who else may hold the login: what its way into the broker makes likely."""
    path = account.source_path
    if account.restored and why_of(account.last_error)[0] is not Why.FILE:
        return "the broker whose backup this is, or whatever used its login since"
    if account.source == "import" and path.startswith("/"):
        return f"{path}, which kept its refresh token when it was imported, and whatever reads it"
    if account.source == "adopt":
        return f"a copy of {path} taken before it was adopted, or another machine that used this login"
    return "a copy of the file that it came from, and whatever reads it"


def relogin(account: Account) -> str:
    """Return what brings a login back, whatever became of the old one."""
    return f"log in again: codex-broker account login {account.name}"


def still_safe(account: Account, now_s: float) -> str:
    """Return what clients still get."""
    if account.disabled:
        return "nothing is served, since it is disabled"
    if not account.access_token or not servable(account.expires_at, now_s):
        return "its access token has expired"
    if account.expires_at is None:
        return "its access token is served on"
    return f"its access token is served until {to_rfc3339(account.expires_at - CODEX_WINDOW_S)}"


def trouble_of(account: Account, now_s: float) -> Trouble | None:
    """Return what is wrong with an account, or ``None``.

    Args:
        account: as it is now.
        now_s: epoch seconds.
    """
    found = _refused(account) if account.state is State.LOGIN_REQUIRED else _pending(account)
    if found is None:
        return None
    kind, what, todo = found
    safe = still_safe(account, now_s)
    if account.restored and account.state is not State.LOGIN_REQUIRED:
        safe += "; nothing is sent, so whoever else uses its login is not disturbed"
    if kind in _MAY_HAVE_ENDED and servable(account.expires_at, now_s):
        safe += ", unless the issuer ended that as well"
    return Trouble(kind, what, safe, todo)


def _pending(account: Account) -> tuple[Kind, str, str] | None:
    if account.state is State.IN_DOUBT and account.replay_used:
        what = "is in doubt: its refresh token was sent, replayed once, and no usable answer came"
        return Kind.IN_DOUBT, what, f"{relogin(account)}; its one account replay is used up"
    if account.state is State.IN_DOUBT and account.restored:
        what = f"is in doubt, and {_second_life(account)}"
        return Kind.IN_DOUBT, what, _by_file(account) or relogin(account)
    if account.state is State.IN_DOUBT:
        what = "is in doubt: its refresh token was sent and no usable answer came"
        todo = f"{relogin(account)}; or take the risk of codex-broker account replay {account.name} --yes"
        return Kind.IN_DOUBT, what, todo
    if account.state is State.ACTIVE and account.restored:
        if is_spent(account):
            return Kind.SPENT, _second_life(account), relogin(account)
        if by_file := _by_file(account):
            return Kind.MOVED_ON, _second_life(account), by_file
        force = f"codex-broker account refresh {account.name} --force"
        return Kind.RESTORED, _second_life(account), f"{_IF_UNUSED}: {force}; else {relogin(account)}"
    return None


def _second_life(account: Account) -> str:
    why, detail = why_of(account.last_error)
    return _SECOND_LIVES[why].format(detail=detail, file=account.source_path)


def _by_file(account: Account) -> str:
    is_file = why_of(account.last_error)[0] is Why.FILE
    return f"codex-broker account adopt {account.source_path}" if is_file else ""


def _refused(account: Account) -> tuple[Kind, str, str]:
    word, _, code = account.last_error.rpartition(": ")
    if account.last_error == EXPORTED:
        return (
            Kind.EXPORTED,
            "was exported: whoever has the printed file renews its login now",
            relogin(account),
        )
    if word == _LOST:
        what = f"is lost by us: our replay was refused ({code}), since the first sending had succeeded"
        return Kind.LOST, what, relogin(account)
    if word == _OTHER_HOLDER:
        what = (
            f"has another holder: the issuer says that its refresh token was used before ({code}), and"
            f" this broker never sent it; suspect: {suspect(account)}"
        )
        return Kind.OTHER_HOLDER, what, _without_the_other(account)
    return Kind.REFUSED, f"was refused by the issuer ({code}): its login has ended", relogin(account)


def _without_the_other(account: Account) -> str:
    return f"stop the other holder, then {relogin(account)}"
