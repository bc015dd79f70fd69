"""What a broker does with an outcome: the store's transaction, then the journal file."""

from broker.domain.account import Event, State, Step
from tests.model.protocol import Protocol
from tests.model.state import FRESH, NONE, Attempt, Broker, Row, World

_BRINGS_TOKENS = (str(Event.TOKENS), str(Event.JOURNAL_ANSWER))


def settle(
    world: World, home: int, broker: Broker, attempt: Attempt, protocol: Protocol
) -> tuple[str, World]:
    """Write an outcome into the store, in one transaction."""
    event = Event(broker.event)
    row = world.row
    if broker.event in _BRINGS_TOKENS:
        after, is_over = _commit(world, event, broker.attempt, attempt, protocol), True
    else:
        cell = protocol.outcome(row, event, broker.attempt, attempt)
        after, is_over = world, False
        if cell is not None:
            after = world._replace(row=_without_tokens(world, cell))
            is_over = cell.to is not State.IN_DOUBT
    step = broker._replace(step="settled", event="over" if is_over else "stays")
    return f"settle {event}", after.with_broker(home, step)


def settled(world: World, home: int, broker: Broker, attempt: Attempt) -> tuple[str, World]:
    """Remove the journal file of a settled attempt, and that of the one before its replay."""
    if broker.event == "over" and attempt.home == home:
        world = world.with_attempt(broker.attempt, attempt._replace(journal="missing"))
    former = world.attempt(broker.seen.attempt)
    if former is not None and broker.seen.attempt != broker.attempt and former.home == home:
        kept = former.journal in ("missing", "unreadable")
        gone = former if kept else former._replace(journal="missing")
        world = world.with_attempt(broker.seen.attempt, gone)
    return "forget", world.with_broker(home, Broker(sweeping=broker.sweeping))


def _commit(world: World, event: Event, number: int, attempt: Attempt, protocol: Protocol) -> World:
    row, brought = world.row, (attempt.login, attempt.generation + 1)
    if row.login == attempt.login and row.generation > attempt.generation:
        return world._replace(owed=world.owed - {brought})
    cell = protocol.outcome(row, event, number, attempt)
    if cell is None:
        if not protocol.keeps_late_tokens():
            return world
        return world._replace(owed=world.owed - {brought}, orphans=world.orphans | {brought})
    awaited = row.state in (State.REFRESHING, State.REPLAYING) and row.attempt == number
    rotated = row._replace(
        generation=protocol.generation_after(row, cell),
        state=cell.to,
        attempt=NONE,
        home=NONE,
        leased=False,
        replay_used=bool(cell.replay_used),
        restored=row.restored and not awaited,
        age=FRESH,
        holds=brought,
    )
    return world._replace(row=rotated, owed=world.owed - {brought})


def _without_tokens(world: World, cell: Step) -> Row:
    row = world.row
    used = row.replay_used if cell.replay_used is None else cell.replay_used
    changed = row._replace(state=cell.to, leased=False, replay_used=used)
    return changed if cell.to is State.IN_DOUBT else changed._replace(attempt=NONE, home=NONE)
