"""What the chain costs the audit trail: ``python -m tests.bench.audit [--rounds N] [--json]``.

One batch is one transaction. The floor writes the same records into the same table with the same
durability, without links, head row and head file; both take turns in one run. A second figure is how
fast a trail is checked.
"""

import argparse
import asyncio
import json
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from statistics import median

from broker.domain.records import AuditRecord
from broker.store.engine import AuditSink
from broker.store.store import Store
from broker.store.trailcheck import TrailCheck
from tests.support.records import NOW, new_seal, store_url

BATCHES = (1, 16, 64, 512)
RECORDS = 2048
"""Written in one round of each batch size."""

_INSERT = "INSERT INTO audit VALUES ('', ?, ?, ?, ?, ?, ?, ?, ?, ?, '')"


def _record(number: int) -> AuditRecord:
    return AuditRecord(NOW + number, "token.served", "laptop", "work", "192.0.2.17", f"{number:016x}")


class _Floor:
    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = FULL")
        self.seq = 0

    def write(self, records: list[AuditRecord]) -> None:
        rows = [(self.seq + number, *record) for number, record in enumerate(records, 1)]
        self.seq += len(rows)
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.executemany(_INSERT, rows)
        self.connection.execute("COMMIT")


def _rate(writer: AuditSink | _Floor, batch: int) -> float:
    """Return records per second."""
    records = [_record(number) for number in range(batch)]
    begin_s = time.perf_counter()
    for _ in range(max(1, RECORDS // batch)):
        writer.write(records)
    return max(1, RECORDS // batch) * batch / (time.perf_counter() - begin_s)


async def _checked_per_s(store: Store) -> float:
    begin_s = time.perf_counter()
    check = await TrailCheck.begin(store)
    while await check.step(60):
        pass
    return check.verifier.rows / (time.perf_counter() - begin_s)


async def _measure(directory: Path, rounds: int) -> list[dict[str, object]]:
    seal = new_seal()
    places = [directory / "chained", directory / "floor"]
    for place in places:
        place.mkdir()
    stores = [await Store.open(store_url(place), seal) for place in places]
    trail = stores[0].trail
    sink = AuditSink(store_url(places[0]), trail.file, trail.chain, trail.mac)
    floor = _Floor(places[1] / "broker.db")
    rows: list[dict[str, object]] = []
    for batch in BATCHES:
        pairs = [(_rate(sink, batch), _rate(floor, batch)) for _ in range(rounds)]
        chained, bare = median(one for one, _ in pairs), median(other for _, other in pairs)
        ratio = round(median(one / other for one, other in pairs), 3)
        rows.append(
            {"batch": batch, "records_per_s": round(chained), "floor_per_s": round(bare), "ratio": ratio}
        )
    rows.append({"checked_per_s": round(await _checked_per_s(stores[0]))})
    sink.close()
    with closing(floor.connection):
        for store in stores:
            await store.close()
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.audit", description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        rows = asyncio.run(_measure(Path(directory), words.rounds))
    if words.json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    lines = [f"{'records in a commit':>20}{'chained/s':>12}{'bare/s':>12}{'ratio':>8}"]
    lines += [
        f"{row['batch']:>20}{row['records_per_s']:>12}{row['floor_per_s']:>12}{row['ratio']:>8}"
        for row in rows[:-1]
    ]
    lines.append(f"checked: {rows[-1]['checked_per_s']} records/s")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
