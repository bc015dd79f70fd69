"""Find what somebody did to the audit trail: a pure reading of rows in order, held against heads.

Rows come as the database gives them, with whatever type somebody put there. One chain after the
other is followed link by link. Where a link does not hold, the record at that place was changed, or
stands where it does not belong; the one right behind it cannot be judged, since the mac that it was
linked to may be gone. Ends are held against every head that is known: the store's own table, the
head file, and the heads that records 0 of other chains name.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from broker.domain.chain import OLDER, Entry, Head, Mac, Reason, Row, Start, link, parse_start
from broker.domain.findings import ChainSeen, Finding, Kind, Known
from broker.domain.records import AuditRecord

__all__ = ["Verifier"]

_WIDTH = len(AuditRecord._fields) + 3
_MOST_LISTED = 100
_MOST_SUSPECTS = 64
_MOST_MACS = 8


@dataclass(slots=True)
class _Suspect:
    """A place whose link did not hold, with what stands there; or one where records are missing."""

    seq: int
    before: bytes
    entry: Entry | None
    finding: Finding


@dataclass(slots=True)
class _Reading:
    """The chain that is being read."""

    seen: ChainSeen
    checkpoints: dict[int, dict[bytes, str]]
    next_seq: int = 0
    macs: tuple[bytes, ...] = (b"",)
    """What the next record may be linked to; empty where nothing is known."""
    suspects: list[_Suspect] = field(default_factory=list)
    doubtful: bool = False
    """Whether the record just read did not hold."""


class Verifier:
    """Takes rows in the order of (chain, number) and says what is wrong with them.

    Args:
        mac: under the trail's key.
        known: what was known before.
    """

    def __init__(self, mac: Mac, known: Known) -> None:
        self._mac = mac
        self._known = known
        self.findings: list[Finding] = []
        """The first hundred."""
        self.found = 0
        self.rows = 0
        self.chains: dict[str, ChainSeen] = {}
        self.older = 0
        """Records from before there were chains."""
        self._starts: dict[str, Start] = {}
        self._checkpoints: dict[str, dict[int, dict[bytes, str]]] = {}
        self._reading: _Reading | None = None
        self._older = Head(OLDER, 0, b"")
        for head in known.heads.values():
            self._expect(head, "the store's table of heads")
        for head in known.own:
            self._expect(head, "its head file")
        for row in known.starts:
            self._learn(row)
        if known.problem is not None:
            self._find(known.problem)

    def take(self, rows: Iterable[Row]) -> None:
        """Read the next rows."""
        for row in rows:
            self.rows += 1
            entry = _entry(row)
            if entry is None:
                self._odd(row)
            elif entry.chain == OLDER:
                self.older += 1
                self._older = Head(OLDER, self.older, self._after(self._older.mac, entry))
            else:
                if self._reading is None or self._reading.seen.chain != entry.chain:
                    self._turn_to(entry.chain)
                self._follow(entry)

    def unreadable(self, chain: str, seq: int, why: str) -> None:
        """Note that rows behind a place cannot be read at all."""
        self._find(Finding(chain, seq, Kind.UNREADABLE, f"nothing after it can be read: {why}"))

    def end(self) -> None:
        """Hold the ends against the heads; no rows come any more."""
        self._close()
        self._reading = None
        self._end_older()
        for chain in sorted(self._checkpoints.keys() - self.chains.keys() - {OLDER}):
            names = next(iter(self._checkpoints[chain][max(self._checkpoints[chain])].values()))
            self._find(Finding(chain, 0, Kind.TRUNCATED, f"no record is left of a chain that {names} names"))
        self._count()
        for chain, start in self._starts.items():
            self._judge(chain, start)

    def _count(self) -> None:
        """Hold the number of chains against that of those begun."""
        begun = self._known.begun or 0
        named = (self.chains.keys() | self._checkpoints.keys()) - {OLDER}
        if len(named) < begun:
            text = f"{begun} chains were begun in this store, and {len(named)} are here or named"
            self._find(Finding(OLDER, 0, Kind.MISSING, text))

    def _learn(self, row: Row) -> None:
        """Take from a record 0 what it says of other chains, where it is genuine."""
        entry = _entry(row)
        if entry is None or self._after(b"", entry) != entry.mac:
            return
        start = parse_start(entry.record.detail)
        if start is None:
            return
        self._starts[entry.chain] = start
        for head in start.others:
            self._expect(head, f"record 0 of chain {entry.chain}")
        if start.lost is not None and start.reason != Reason.RESTORED:
            self._expect(start.lost, f"record 0 of chain {entry.chain}")

    def _expect(self, head: Head, source: str) -> None:
        self._checkpoints.setdefault(head.chain, {}).setdefault(head.seq, {}).setdefault(head.mac, source)

    def _turn_to(self, chain: str) -> None:
        self._close()
        seen = self.chains[chain] = ChainSeen(chain, start=self._starts.get(chain))
        self._reading = _Reading(seen, self._checkpoints.get(chain, {}))

    def _follow(self, entry: Entry) -> None:
        reading = self._reading
        assert reading is not None  # noqa: S101 - the caller has just turned to this chain
        if entry.seq < reading.next_seq:
            self._find(Finding(entry.chain, entry.seq, Kind.INSERTED, "no chain counts that low"))
            return
        if entry.seq > reading.next_seq:
            self._gap(reading, entry)
        links = [link(self._mac, before, *entry[:3]) for before in reading.macs]
        if not links or entry.mac in links:
            reading.macs, reading.doubtful = (entry.mac,), False
        else:
            self._suspect(reading, entry)
            reading.macs = (entry.mac, *links, *reading.macs)[:_MOST_MACS]
        named = reading.checkpoints.get(entry.seq)
        if named and entry.mac not in named and not reading.doubtful:
            source = next(iter(named.values()))
            text = f"it is another record than {source} names"
            self._find(Finding(entry.chain, entry.seq, Kind.CHANGED, text))
        reading.next_seq = entry.seq + 1
        seen = reading.seen
        seen.last, seen.last_at = Head(entry.chain, entry.seq, entry.mac), entry.record.at
        if entry.seq == 0:
            seen.begun_at = entry.record.at
        else:
            seen.records += 1

    def _gap(self, reading: _Reading, entry: Entry) -> None:
        first, last = reading.next_seq, entry.seq - 1
        text = f"record {first} is gone" if first == last else f"records {first} to {last} are gone"
        finding = Finding(entry.chain, first, Kind.MISSING, text)
        self._find(finding)
        reading.suspects += [_Suspect(first, before, None, finding) for before in reading.macs[:1]]
        reading.macs = ()

    def _suspect(self, reading: _Reading, entry: Entry) -> None:
        """Find out whether a record that does not fit here belongs to another doubtful place."""
        # Where everything is wrong, looking for the place of each costs more than it tells.
        suspects = reading.suspects if self.found < _MOST_LISTED else []
        came_from = next((one for one in suspects if self._fits(entry, one.seq, one.before)), None)
        # Neighbours that changed places hold each other's mac.
        befores = (entry.mac, *reading.macs)
        for other in suspects:
            if other.entry and any(self._fits(other.entry, entry.seq, before) for before in befores):
                other.finding.kind = Kind.MOVED
                other.finding.detail = f"here stands record {entry.seq}"
        if reading.doubtful and came_from is None:
            # Whether it was changed too cannot be said: what it was linked to may be gone.
            reading.doubtful = False
            return
        kind = Kind.CHANGED if came_from is None else Kind.MOVED
        text = (
            "it is not what was written there" if came_from is None else f"here stands record {came_from.seq}"
        )
        finding = Finding(entry.chain, entry.seq, kind, text)
        self._find(finding)
        reading.doubtful = True
        if len(reading.suspects) < _MOST_SUSPECTS:
            reading.suspects += [_Suspect(entry.seq, before, entry, finding) for before in reading.macs[:1]]

    def _fits(self, entry: Entry, seq: int, before: bytes) -> bool:
        return link(self._mac, before, entry.chain, seq, entry.record) == entry.mac

    def _close(self) -> None:
        """Hold the end of the chain just read against its heads."""
        if (reading := self._reading) is None:
            return
        seen = reading.seen
        end = reading.next_seq - 1
        ahead = max(reading.checkpoints, default=-1)
        if ahead > end:
            source = next(iter(reading.checkpoints[ahead].values()))
            text = f"it ends after record {end}; {source} names record {ahead}"
            self._find(Finding(seen.chain, end + 1, Kind.TRUNCATED, text))
        if seen.chain not in self._known.heads:
            text = "the store's table of heads does not name this chain"
            self._find(Finding(seen.chain, 0, Kind.CHANGED, text))
        outside = {head.chain for head in self._known.own}
        outside |= {head.chain for start in self._starts.values() for head in start.others}
        seen.tied = seen.chain in outside

    def _end_older(self) -> None:
        told = [start.older for start in self._starts.values() if start.older is not None]
        if not told:
            if self._older.seq:
                text = f"{self._older.seq} records belong to no chain"
                self._find(Finding(OLDER, 0, Kind.INSERTED, text))
        elif self._older not in told:
            text = f"of {told[0].seq} records from before the first chain, {self._older.seq} are here"
            more = Kind.MISSING if self._older.seq < told[0].seq else Kind.INSERTED
            same = self._older.seq == told[0].seq
            self._find(Finding(OLDER, 0, Kind.CHANGED if same else more, text))

    def _judge(self, chain: str, start: Start) -> None:
        """Tell what was wrong when a chain began."""
        if start.reason == Reason.HEAD_MISSING:
            text = "this chain began because the head file was gone: the chain before it may have been cut"
            self._find(Finding(chain, 0, Kind.HEAD_MISSING, text))
        elif start.reason == Reason.HEAD_FORGED:
            text = "this chain began because the head file was forged: the chain before it may have been cut"
            self._find(Finding(chain, 0, Kind.HEAD_FORGED, text))
        elif start.reason == Reason.NEW and start.revision:
            text = f"the trail begins at change {start.revision} of the store: everything before is gone"
            self._find(Finding(chain, 0, Kind.MISSING, text))

    def _odd(self, row: Row) -> None:
        chain, seq = row[0], row[1]
        where = chain if isinstance(chain, str) else OLDER
        number = seq if isinstance(seq, int) else 0
        self._find(Finding(where, number, Kind.CHANGED, "a field is of another kind than was written"))
        reading = self._reading
        if reading is not None and reading.seen.chain == where and number >= reading.next_seq:
            reading.next_seq, reading.macs, reading.doubtful = number + 1, (), True

    def _after(self, before: bytes, entry: Entry) -> bytes:
        return link(self._mac, before, entry.chain, entry.seq, entry.record)

    def _find(self, finding: Finding) -> None:
        self.found += 1
        if len(self.findings) < _MOST_LISTED:
            self.findings.append(finding)


def _entry(row: Row) -> Entry | None:
    """Return a row as an entry, or ``None`` where a value is of another kind than was written."""
    chain, seq, at, *texts, mac = row
    if len(row) != _WIDTH or not isinstance(seq, int) or not isinstance(at, float):
        return None
    if not isinstance(mac, bytes) or not all(isinstance(text, str) for text in (chain, *texts)):
        return None
    return Entry(chain, seq, AuditRecord(at, *texts), mac)
