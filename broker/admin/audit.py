"""Operations on the audit trail: ``list``, ``verify`` and ``export``. They only read."""

import secrets
from typing import Any

from broker.admin.desk import Desk
from broker.admin.wire import Actor
from broker.domain.chain import OLDER
from broker.domain.records import AuditRecord
from broker.domain.verify import Verifier
from broker.store.audit import read_rows
from broker.store.trailcheck import TrailCheck
from fetchtoken.domain.errors import ConfigError, Unavailable, Unsafe
from fetchtoken.domain.instants import to_rfc3339

__all__ = ["AuditOperations"]

_MOST_LISTED = 10_000
_PAGE = 1000
_STEP_S = 0.25
_MOST_CHECKS = 4
"""Checks under way at one time; one that nobody goes on with must not stay for ever."""


class AuditOperations:
    """Tell what was done, check that the telling is whole, hand it out.

    Args:
        desk: what they work with.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._checks: dict[str, TrailCheck] = {}

    async def audit_list(  # noqa: PLR0913 - its options
        self,
        actor: Actor,  # noqa: ARG002 - all operations take one
        *,
        account: str = "",
        client: str = "",
        since: float = 0.0,
        ago_s: float | None = None,
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """Return the newest records that match, oldest first.

        Raises:
            ConfigError: the limit is none.
        """
        if not 1 <= limit <= _MOST_LISTED:
            raise ConfigError(f"--limit is 1 to {_MOST_LISTED}", hint="codex-broker audit export has all")
        if ago_s is not None:
            since = self._desk.clock() - ago_s
        found = await self._desk.store.list_audit(account=account, client=client, since=since, limit=limit)
        return [_document(record) for record in found]

    async def audit_verify(self, actor: Actor, session: str = "") -> dict[str, Any]:  # noqa: ARG002 - same
        """Check for a moment, and return how far it is, or at the end the report.

        Args:
            actor: who asks.
            session: what the call before returned; empty to begin.

        Raises:
            Unavailable: the store does not answer, or that check is not under way any more.
        """
        if session:
            check = self._checks.pop(session, None)
            if check is None:
                raise Unavailable(
                    "the broker was restarted while it checked", hint="codex-broker audit verify"
                )
        else:
            session = secrets.token_hex(8)
            check = await TrailCheck.begin(self._desk.store)
        more = await check.step(_STEP_S)
        if more:
            self._checks[session] = check
            while len(self._checks) > _MOST_CHECKS:
                del self._checks[next(iter(self._checks))]
        report = None if more else _report(check.verifier)
        return {"session": session, "checked": check.verifier.rows, "total": check.total, "report": report}

    async def audit_export(self, actor: Actor, after: list[Any] | None = None) -> dict[str, Any]:  # noqa: ARG002 - same
        """Return the next records in the order of chain and number, and where to go on.

        Args:
            actor: who asks.
            after: what the call before returned; nothing to begin.

        Raises:
            Unsafe: a row is not of the kind that this broker writes.
        """
        place = None if after is None else (str(after[0]), int(after[1]))
        async with self._desk.store.database.read() as connection:
            rows = await read_rows(connection, place, _PAGE)
        try:
            records = [_line(row) for row in rows]
        except (TypeError, ValueError, AttributeError):
            raise Unsafe(
                "the audit trail holds rows that this broker did not write",
                hint="codex-broker audit verify says which",
            ) from None
        return {"records": records, "after": [rows[-1].chain, rows[-1].seq] if rows else None}


def _document(record: AuditRecord) -> dict[str, Any]:
    return {**record._asdict(), "at": to_rfc3339(record.at)}


def _line(row: Any) -> dict[str, Any]:
    """Return a record with what its mac is made from: chain, number and the exact time."""
    record = AuditRecord._make(row[2:-1])
    if not all(isinstance(text, str) for text in (row.chain, *record[1:])):
        raise TypeError
    chained = row.chain != OLDER
    return {
        "chain": row.chain if chained else None,
        "seq": row.seq,
        **_document(record),
        "at_s": record.at,
        "mac": row.mac.hex() if chained else None,
    }


def _report(verifier: Verifier) -> dict[str, Any]:
    chains = [
        {
            "chain": seen.chain,
            "records": seen.records,
            "begun_at": None if seen.begun_at is None else to_rfc3339(seen.begun_at),
            "last_at": None if seen.last_at is None else to_rfc3339(seen.last_at),
            "reason": seen.start.reason if seen.start else None,
            "home": seen.start.home if seen.start else None,
            "lost": seen.start.lost.seq if seen.start and seen.start.lost else None,
            "end_checked": seen.tied,
            "mac": seen.last.mac.hex() if seen.last else None,
        }
        for seen in sorted(verifier.chains.values(), key=lambda seen: seen.begun_at or 0)
    ]
    findings = [
        {"chain": one.chain or None, "seq": one.seq, "kind": str(one.kind), "detail": one.detail}
        for one in verifier.findings
    ]
    return {
        "ok": not verifier.found,
        "records": verifier.older + sum(seen.records for seen in verifier.chains.values()),
        "without_chain": verifier.older,
        "chains": chains,
        "found": verifier.found,
        "findings": findings,
    }
