"""I1 to I8 of the rotation's rules, judged on one move: the world before and after."""

from broker.domain.account import State
from tests.model.state import BY_ITSELF, EXPIRED, FIRST, ORDERED, Attempt, World

_CAN_SEND = ("broker", "started", "sending")


def broken(before: World, label: str, after: World) -> str:
    """Return which invariant a move breaks and how, as ``I3: …``, or an empty text."""
    for check in (_i1, _i2_i5_i6, _i3, _i4, _i7, _i8):
        said = check(before, label, after)
        if said:
            return said
    return ""


def _i1(_before: World, _label: str, after: World) -> str:
    ready = [
        (a.login, a.generation)
        for _, a in after.attempts
        if a.armed and not a.late and a.wire == "idle" and a.process in _CAN_SEND
    ]
    return "I1: two armed attempts of one generation" if len(ready) != len(set(ready)) else ""


def _sent_now(before: World, after: World) -> Attempt | None:
    for number, attempt in after.attempts:
        former = before.attempt(number)
        if attempt.wire == "out" and (former is None or former.wire == "idle"):
            return attempt
    return None


def _i2_i5_i6(before: World, label: str, after: World) -> str:
    armed = after.attempt(after.row.attempt)
    if armed is not None and label in ("arm", "send without intent"):
        said = _armed_wrongly(before, armed.why)
        if said:
            return said
    sent = _sent_now(before, after)
    if sent is None:
        return ""
    at = (sent.login, sent.generation)
    if not sent.armed or sent.journal == "missing":
        return "I2: sent without a durable intent and journal file"
    # A person's order counts as knowing better: the journal may lie where nobody can look.
    if at in before.decided and sent.why != ORDERED:
        return "I5: sent again after tokens or a refusal"
    if at in before.outstanding and sent.why == FIRST:
        return "I6: sent a second time, not from in doubt"
    if at in before.replayed and sent.why != FIRST:
        return "I6: replayed twice"
    return ""


def _i3(before: World, _label: str, after: World) -> str:
    held = after.row.holds
    if held[0] != after.row.login:
        return "I3: the tokens of one login were overwritten with another's"
    durable = {
        (a.login, a.generation + 1) for _, a in after.attempts if a.journal == "tokens"
    } | after.orphans
    if after.owed - durable:
        return "I3: a token answer that was seen lies nowhere"
    if before.row.login == after.row.login and held[1] < before.row.holds[1]:
        return "I3: newer tokens were overwritten with older ones"
    return ""


def _i4(before: World, _label: str, after: World) -> str:
    same_login = before.row.login == after.row.login
    if same_login and after.row.generation < before.row.generation:
        return "I4: the generation went down"
    if after.row.holds != (after.row.login, after.row.generation):
        return "I4: the generation does not count the rotations"
    return ""


def _i7(before: World, label: str, after: World) -> str:
    ended = before.row.state is not State.LOGIN_REQUIRED and after.row.state is State.LOGIN_REQUIRED
    return "I7: a login ended without a refusal" if ended and label != "settle refused" else ""


def _i8(before: World, _label: str, after: World) -> str:
    if after.handed[1] and not before.handed[1]:
        return "I8: an expired token was handed out"
    return "I8: a token left without an audit record" if after.handed[0] > after.recorded else ""


def _armed_wrongly(before: World, why: int) -> str:
    """Return what is wrong with arming a replay now, as ``I6: …``, or an empty text."""
    row = before.row
    if why != FIRST and row.state is not State.IN_DOUBT:
        return "I6: a replay that does not come from in doubt"
    if why == BY_ITSELF and row.age != EXPIRED:
        return "I6: replayed by itself while the token was alive"
    if why != FIRST and row.replay_used:
        return "I6: a second replay was armed"
    return ""
