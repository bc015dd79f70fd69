"""The books of one world: what the issuer logged, what the broker holds, and what went wrong between."""

from contextlib import suppress

from tests.crash.harness.figures import Figures, Loss
from tests.crash.harness.ledger import Ledger
from tests.crash.harness.verdict import Doubt, Verdict, judge, weigh
from tests.crash.harness.world import World
from tests.support.wait import until_sync

__all__ = ["Books"]


class Books:
    """Looks after each kill, and goes on after a doubt as a person would: with a new login.

    Args:
        world: whose books they are.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._ledger = Ledger()
        self._doubts: list[Doubt] = []
        self._losses: list[Loss] = []
        self._over: set[str] = set()

    def look(self) -> bool:
        """Judge every account; return whether each could be."""
        # First the log, then the rows: a row may be ahead of the log that was read, never behind it.
        self._read_log()
        verdicts = [(held, judge(held, self._newest(held.name))) for held in self._world.held()]
        for held, verdict in verdicts:
            login_id = self._world.logins[held.name].login_id
            if verdict is Verdict.IN_DOUBT:
                self._doubts.append(Doubt(held, login_id, self._world.phase(held.attempt_id)))
            elif verdict is Verdict.LOST:
                sendings = self._ledger.requests(login_id, held.generation)
                self._losses.append(Loss(held.name, held.attempt_id, held.state, sendings, explained=False))
            else:
                continue
            self._over.add(held.attempt_id)
            self._world.renew_login(held.name)
        return Verdict.WAITS not in (verdict for _, verdict in verdicts)

    def are_attempts_open(self) -> bool:
        """Tell whether attempts lie in the journal that are not known to be in doubt."""
        return bool(self._world.attempts() - self._over)

    def close(self, figures: Figures) -> None:
        """Exchange every account once more, compare to the last digit, and enter it all.

        Args:
            figures: what the world's kills came to so far.
        """
        until_sync(self.look)
        figures.wrong += [f"at the end {problem}" for problem in self._exchange_all()]
        until_sync(self.look)
        for held in self._world.held():
            newest = self._newest(held.name)
            if (held.state, held.generation) != ("active", newest):
                figures.wrong.append(
                    f"at the end {held.name} is {held.state} at {held.generation}, not at {newest}"
                )
        weighed = [weigh(doubt, self._ledger) for doubt in self._doubts]
        figures.rotations += self._ledger.rotations
        figures.doubts += weighed.count(None)
        figures.losses += [*self._losses, *(loss for loss in weighed if loss is not None)]
        figures.reused_at_issuer += len(self._ledger.reused)
        figures.wrong += [
            f"the issuer saw {entry}" for entry in [*self._ledger.reused, *self._ledger.strange]
        ]

    def _exchange_all(self) -> list[str]:
        """Have each account exchanged; return the problems of those that could not be."""
        problems = dict.fromkeys(self._world.logins, "was never tried")

        def all_done() -> bool:
            for outcome in self._world.refresh_all():
                if outcome.get("outcome") == "refreshed":
                    problems.pop(outcome["account"], None)
                elif outcome["account"] in problems:
                    # What was under way when it was asked for gets another turn.
                    problems[outcome["account"]] = str(outcome)
            return not problems

        with suppress(AssertionError):
            until_sync(all_done)
        return list(problems.values())

    def _newest(self, name: str) -> int:
        return self._ledger.newest(self._world.logins[name].login_id)

    def _read_log(self) -> None:
        self._ledger.take(self._world.issuer.log(after=self._ledger.seen))
