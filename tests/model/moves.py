"""Everything that can happen next: brokers, exchange processes, the wire, the issuer, people, time, crashes.

One move is one durable or visible step, so that a crash can come between any two.
"""

from collections.abc import Iterator

from broker.domain.account import Event, State
from tests.model.protocol import Protocol
from tests.model.settling import settle, settled
from tests.model.state import (
    ANSWERS,
    BY_ITSELF,
    EXPIRED,
    FIRST,
    NONE,
    ORDERED,
    STALE,
    Attempt,
    Broker,
    Row,
    World,
)

Move = tuple[str, World]

_UNSETTLED = (State.REFRESHING, State.REPLAYING, State.IN_DOUBT)


def moves(world: World, protocol: Protocol) -> Iterator[Move]:
    """Yield each thing that can happen, with its name."""
    for home, broker in enumerate(world.brokers):
        if not broker.up:
            yield "restart", world.with_broker(home, Broker(sweeping=True))
            continue
        yield from _broker_moves(world, home, broker, protocol)
        if world.budget.crashes:
            yield from _crashes(world, home)
    for number, attempt in world.attempts:
        yield from _process_moves(world, number, attempt, protocol)
        if attempt.wire == "out":
            yield from _issuer_moves(world, number, attempt)
    yield from _time_and_people(world, protocol)


def _broker_moves(world: World, home: int, broker: Broker, protocol: Protocol) -> Iterator[Move]:
    if broker.step == "free":
        if broker.sweeping:
            yield _sweep(world, home, broker)
            return
        yield from _flights(world, home, protocol)
        yield from _recovery(world, home, protocol)
        return
    number = broker.attempt
    attempt = world.attempt(number)
    assert attempt is not None, "a broker works on an attempt that is forgotten"
    if broker.step == "begun":
        yield _arm(world, home, broker, attempt, protocol)
    elif broker.step == "armed":
        started = world.with_attempt(number, attempt._replace(process="started"))
        yield "start", started.with_broker(home, broker._replace(step="waiting"))
    elif broker.step == "waiting" and attempt.process in ("gone", "told"):
        known = (
            attempt if attempt.process == "gone" else attempt._replace(process="gone", journal=attempt.wire)
        )
        event = protocol.found(known)
        yield "hear", world.with_broker(home, broker._replace(step="heard", event=str(event)))
    elif broker.step == "heard":
        yield settle(world, home, broker, attempt, protocol)
    elif broker.step == "settled":
        yield settled(world, home, broker, attempt)


def _sweep(world: World, home: int, broker: Broker) -> Move:
    """At the start: what no row waits for is handed to the store, or removed."""
    wanted = world.row.attempt if world.row.state in _UNSETTLED else NONE
    for number, attempt in world.attempts:
        if attempt.home != home or attempt.process != "gone" or number == wanted:
            continue
        if attempt.journal == "tokens":
            event = str(Event.JOURNAL_ANSWER)
            heard = broker._replace(step="heard", attempt=number, event=event, seen=Row())
            return "sweep", world.with_broker(home, heard)
        if attempt.journal != "unreadable":
            world = world.with_attempt(number, attempt._replace(journal="missing"))
    return "swept", world.with_broker(home, Broker())


def _flights(world: World, home: int, protocol: Protocol) -> Iterator[Move]:
    row, budget = world.row, world.budget
    if not budget.attempts:
        return
    if row.state is State.ACTIVE and row.age >= STALE:
        yield "begin", _begin(world, home, FIRST)
    whys = [BY_ITSELF] if protocol.replays_by_itself(row, home) else []
    whys += [ORDERED] if budget.orders and protocol.replays_by_order(row) else []
    for why in whys:
        former = world.attempt(row.attempt) if row.home == home else None
        event, brought_nothing = protocol.looks_again(former)
        if event is Event.JOURNAL_ANSWER:
            yield "answer found", world.with_broker(home, _heard(row, event))
        elif event not in (None, Event.REFUSED) and (why == ORDERED or brought_nothing):
            spent = budget._replace(orders=budget.orders - (why == ORDERED))
            noted = row._replace(restored=row.restored or not brought_nothing)
            yield "begin replay", _begin(world._replace(budget=spent, row=noted), home, why)


def _begin(world: World, home: int, why: int) -> World:
    row, budget = world.row, world.budget
    number = 1 + max((known for known, _ in world.attempts), default=NONE)
    begun = Broker(step="begun", attempt=number, seen=row)
    world = world._replace(budget=budget._replace(attempts=budget.attempts - 1)).with_broker(home, begun)
    return world.with_attempt(number, Attempt(home, row.login, row.generation, why))


def _arm(world: World, home: int, broker: Broker, attempt: Attempt, protocol: Protocol) -> Move:
    number, seen = broker.attempt, broker.seen
    if not protocol.writes_intent:
        return "send without intent", world.with_broker(home, broker._replace(step="armed"))
    if not protocol.may_arm(world.row, seen):
        gone = world.with_attempt(number, attempt._replace(process="gone", journal="missing"))
        return "somebody else has it", gone.with_broker(home, Broker())
    cell = protocol.due(seen, replay=attempt.why != FIRST)
    used = world.row.replay_used if cell.replay_used is None else cell.replay_used
    row = world.row._replace(state=cell.to, attempt=number, home=home, leased=True, replay_used=used)
    armed = world._replace(row=row).with_attempt(number, attempt._replace(armed=True))
    return "arm", armed.with_broker(home, broker._replace(step="armed"))


def _recovery(world: World, home: int, protocol: Protocol) -> Iterator[Move]:
    row = world.row
    if row.state not in _UNSETTLED:
        return
    if row.home != home:
        if row.state is not State.IN_DOUBT and protocol.may_take_over(row):
            yield "take over", world.with_broker(home, _heard(row, Event.OWNER_GONE))
        return
    event = protocol.found(world.attempt(row.attempt))
    if event is not None and (event is Event.JOURNAL_ANSWER or row.state is not State.IN_DOUBT):
        yield "recover", world.with_broker(home, _heard(row, event))


def _heard(row: Row, event: Event) -> Broker:
    return Broker(step="heard", attempt=row.attempt, event=str(event), seen=row)


def _process_moves(world: World, number: int, attempt: Attempt, protocol: Protocol) -> Iterator[Move]:
    at = (attempt.login, attempt.generation)
    if attempt.process == "told":
        yield (
            "journal",
            world.with_attempt(number, attempt._replace(process="gone", journal=attempt.wire, wire="over")),
        )
    elif attempt.process in ("started", "sending") and attempt.wire == "idle" and attempt.late:
        yield (
            "too late to send",
            world.with_attempt(number, attempt._replace(process="gone", journal="unsent")),
        )
    elif attempt.process == "started":
        yield (
            "note sending",
            world.with_attempt(number, attempt._replace(process="sending", journal="sending")),
        )
    elif attempt.process == "sending" and attempt.wire == "idle":
        replayed = world.replayed | {at} if attempt.why != FIRST else world.replayed
        sent = world._replace(outstanding=world.outstanding | {at}, replayed=replayed)
        yield "send", sent.with_attempt(number, attempt._replace(wire="out"))
        if world.budget.faults:
            unsent = attempt._replace(process="gone", journal="unsent")
            yield "cannot connect", _with_fault(world).with_attempt(number, unsent)
    elif attempt.process == "sending" and attempt.wire in ANSWERS:
        known = _known(world, attempt)
        if protocol.journals_first:
            written = attempt._replace(process="gone", journal=attempt.wire, wire="over")
            yield "journal", known.with_attempt(number, written)
        else:
            yield "tell", known.with_attempt(number, attempt._replace(process="told"))
    if world.budget.crashes and attempt.process in ("started", "sending", "told"):
        killed = world.with_attempt(number, attempt._replace(process="gone"))
        yield "kill exchange", _with_crash(killed)
    if world.budget.faults and attempt.process == "gone" and attempt.journal == "sending":
        yield "damage", _with_fault(world).with_attempt(number, attempt._replace(journal="unreadable"))


def _known(world: World, attempt: Attempt) -> World:
    at = (attempt.login, attempt.generation)
    if attempt.wire == "tokens":
        return world._replace(
            owed=world.owed | {(attempt.login, attempt.generation + 1)}, decided=world.decided | {at}
        )
    if attempt.wire == "refused":
        return world._replace(decided=world.decided | {at})
    if attempt.wire == "later":
        replayed = world.replayed - {at} if attempt.why != FIRST else world.replayed
        outstanding = world.outstanding - {at} if attempt.why == FIRST else world.outstanding
        return world._replace(outstanding=outstanding, replayed=replayed)
    return world


def _issuer_moves(world: World, number: int, attempt: Attempt) -> Iterator[Move]:
    current, revoked = world.issuer[attempt.login]

    def answered(wire: str, family: tuple[int, bool]) -> World:
        issuer = list(world.issuer)
        issuer[attempt.login] = family
        return world._replace(issuer=tuple(issuer)).with_attempt(number, attempt._replace(wire=wire))

    if revoked or attempt.generation != current:
        yield "refuse and revoke", answered("refused", (current, True))
        return
    yield "rotate", answered("tokens", (current + 1, False))
    if world.budget.faults:
        yield "rotate, answer torn", _with_fault(answered("torn", (current + 1, False)))
        yield "fail before rotating", _with_fault(answered("torn", (current, False)))
        yield "put off", _with_fault(answered("later", (current, False)))
        yield "refuse without need", _with_fault(answered("refused", (current, True)))


def _crashes(world: World, home: int) -> Iterator[Move]:
    alone = world.with_broker(home, Broker(up=False))
    both = alone
    for number, attempt in world.attempts:
        if attempt.home == home and attempt.process == "broker":
            alone = alone.with_attempt(number, attempt._replace(process="gone"))
        if attempt.home == home:
            both = both.with_attempt(number, attempt._replace(process="gone"))
    yield "kill broker", _with_crash(alone)
    if both != alone:
        yield "kill both", _with_crash(both)


def _time_and_people(world: World, protocol: Protocol) -> Iterator[Move]:
    row, budget = world.row, world.budget
    if row.age < EXPIRED:
        yield "time passes", world._replace(row=row._replace(age=row.age + 1))
    if row.leased:
        after = world._replace(row=row._replace(leased=False))
        attempt = world.attempt(row.attempt)
        if attempt is not None and attempt.wire == "idle":
            after = after.with_attempt(row.attempt, attempt._replace(late=True))
        yield "lease ends", after
    if budget.logins:
        fresh = Row(login=row.login + 1, state=protocol.after_login(row), holds=(row.login + 1, 0))
        yield (
            "new login",
            world._replace(
                row=fresh,
                issuer=(*world.issuer, (0, False)),
                budget=budget._replace(logins=budget.logins - 1),
            ),
        )
    handed, expired = world.handed
    if handed < budget.handed and protocol.serves(row):
        if world.recorded == handed:
            yield "record", world._replace(recorded=world.recorded + 1)
        if handed < world.recorded or not protocol.records_first:
            gone = (handed + 1, expired or protocol.is_expired(row))
            yield "hand out", world._replace(handed=gone)


def _with_fault(world: World) -> World:
    return world._replace(budget=world.budget._replace(faults=world.budget.faults - 1))


def _with_crash(world: World) -> World:
    return world._replace(budget=world.budget._replace(crashes=world.budget.crashes - 1))
