"""The issuer's own record of every request: by fingerprint, never by token. Pure."""

from dataclasses import asdict, dataclass
from typing import Any

from fetchtoken.domain.instants import to_rfc3339

__all__ = ["LogEntry", "RequestLog", "log_line"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One request and what was decided, written when the decision stood and before the answer left."""

    seq: int
    """1 for the first request; no gaps."""
    at: str
    """RFC 3339, by the issuer's own clock."""
    route: str
    """Method and path, without query."""
    fingerprint: str
    """Of the presented token; empty where there was none."""
    login_id: str
    """Family of the presented token, or empty."""
    generation: int | None
    """Of the presented refresh token, where it is known."""
    decision: str
    """``rotated``, ``renewed``, ``reused: family revoked``, ``refused: CODE``, ``answered``,
    ``revoked``, ``not processed``; of logins ``asked``, ``approved``, ``denied``, ``pending``,
    ``device code given``, ``code given``, ``logged in``, ``code used again: login revoked``."""
    fault: str
    """Name of the fault that was made, or empty."""
    status: int
    """HTTP status of the answer; 0 where none was sent."""

    def to_document(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


class RequestLog:
    """Entries in the order of their decisions."""

    def __init__(self) -> None:
        self._entries: list[LogEntry] = []

    def __len__(self) -> int:
        return len(self._entries)

    def after(self, seq: int = 0) -> list[LogEntry]:
        """Return the entries that follow number ``seq``."""
        return self._entries[max(0, seq) :]

    def add(  # noqa: PLR0913 - one record; every field is named at the call
        self,
        *,
        now_s: float,
        route: str,
        fingerprint: str,
        login_id: str,
        generation: int | None,
        decision: str,
        fault: str,
        status: int,
    ) -> None:
        """Append one request; ``now_s`` in epoch seconds, the rest as in :class:`LogEntry`."""
        self._entries.append(
            LogEntry(
                seq=len(self._entries) + 1,
                at=to_rfc3339(now_s),
                route=route,
                fingerprint=fingerprint,
                login_id=login_id,
                generation=generation,
                decision=decision,
                fault=fault,
                status=status,
            )
        )


def log_line(entry: LogEntry) -> str:
    """Return one line for people."""
    generation = "-" if entry.generation is None else str(entry.generation)
    fault = f" [{entry.fault}]" if entry.fault else ""
    return (
        f"{entry.seq:>4} {entry.at} {entry.route} token={entry.fingerprint or '-'}"
        f" generation={generation} {entry.decision}{fault} → {entry.status or 'no answer'}"
    )
