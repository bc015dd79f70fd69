"""What a run comes to: figures for people and for machines."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Figures", "Loss", "percentile"]


@dataclass(frozen=True, slots=True)
class Loss:
    """A login whose only good refresh token is nowhere, with what is known of it."""

    account: str
    attempt_id: str
    journal: str
    """Phase of the attempt's journal file."""
    issuer: list[dict[str, Any]]
    """The issuer's record of every sending of that token."""
    explained: bool


@dataclass(slots=True, kw_only=True)
class Figures:
    """One row of the reliability table, as run."""

    what: str
    kills: int = 0
    in_flight: int = 0
    """Kills that met at least one attempt between its journal file and its end."""
    rotations: int = 0
    """By the issuer's log, as everything below that concerns tokens."""
    doubts: int = 0
    """Accounts in doubt whose token the issuer had never seen: nothing lost."""
    losses: list[Loss] = field(default_factory=list)
    reused_at_issuer: int = 0
    recoveries_s: list[float] = field(default_factory=list)
    """From the start of the process to the first token served, seconds."""
    ends: Counter[str] = field(default_factory=Counter)
    """How often what was killed came to which end, where the row tells them apart."""
    wrong: list[str] = field(default_factory=list)
    """Whatever else must not be."""

    @property
    def explained(self) -> int:
        """Losses that the issuer's log and the missing journal record explain."""
        return sum(loss.explained for loss in self.losses)

    @property
    def holds(self) -> bool:
        """Whether the promise was kept."""
        return not self.wrong and not self.reused_at_issuer and self.explained == len(self.losses)

    def add(self, other: "Figures") -> None:
        """Take in what another lane of the same row came to."""
        self.kills += other.kills
        self.in_flight += other.in_flight
        self.rotations += other.rotations
        self.doubts += other.doubts
        self.losses += other.losses
        self.reused_at_issuer += other.reused_at_issuer
        self.recoveries_s += other.recoveries_s
        self.ends += other.ends
        self.wrong += other.wrong

    def to_document(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "what": self.what,
            "kills": self.kills,
            "kills_in_flight": self.in_flight,
            "rotations": self.rotations,
            "doubts_without_loss": self.doubts,
            "losses": len(self.losses),
            "losses_explained": self.explained,
            "reused_at_issuer": self.reused_at_issuer,
            "restarts": len(self.recoveries_s),
            "recovery_p50_s": percentile(self.recoveries_s, 50),
            "recovery_p99_s": percentile(self.recoveries_s, 99),
            "ends": dict(sorted(self.ends.items())),
            "explanations": [asdict(loss) for loss in self.losses],
            "wrong": self.wrong,
        }

    def to_text(self) -> str:
        """Return it as lines for people."""
        table = self.to_document()
        lines = [f"{self.what}: {self.kills} kills, {self.in_flight} with an exchange under way"]
        lines += [
            f"  {key.replace('_', ' ')}: {table[key]}"
            for key in ("rotations", "doubts_without_loss", "losses", "losses_explained", "reused_at_issuer")
        ]
        if self.recoveries_s:
            p50, p99 = table["recovery_p50_s"], table["recovery_p99_s"]
            lines.append(f"  restart to first token: p50 {p50} s, p99 {p99} s, of {len(self.recoveries_s)}")
        if self.ends:
            lines.append("  " + ", ".join(f"{end} {count}" for end, count in sorted(self.ends.items())))
        for loss in self.losses:
            seen = ", ".join(f"#{entry['seq']} {entry['decision']}" for entry in loss.issuer) or "nothing"
            word = "explained" if loss.explained else "NOT EXPLAINED"
            lines.append(
                f"  {word}: {loss.account}, attempt {loss.attempt_id}: issuer {seen}; journal {loss.journal}"
            )
        return "\n".join(lines + [f"  WRONG: {text}" for text in self.wrong])


def percentile(values: list[float], percent: int) -> float | None:
    """Return the nearest-rank percentile in milliseconds' precision; ``None`` of nothing."""
    if not values:
        return None
    ranked = sorted(values)
    return round(ranked[max(0, -(-len(ranked) * percent // 100) - 1)], 3)
