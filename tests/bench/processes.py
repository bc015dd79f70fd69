"""How long whole processes take, measured in turns so that a noisy machine is noisy for all."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter

__all__ = ["Case", "measure"]

_WARM_UP = 3


@dataclass
class Case:
    """One command line and what it took."""

    name: str
    argv: Sequence[str]
    home: Path
    """Becomes HOME; with PATH it is the whole environment."""
    goal: float | None = None
    """Ratio to the floor that is aimed at."""
    floor: str = ""
    """Name of the case to compare with; the first one where it is empty."""
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)

    @property
    def median_s(self) -> float:
        """From spawn to exit."""
        return median(self.seconds)

    @property
    def cpu_s(self) -> float:
        """User and system time of the process: steadier on a busy machine, blind to waiting."""
        return median(self.cpu_seconds)


def measure(cases: Sequence[Case], rounds: int) -> None:
    """Run every case once a round; the first rounds write the byte code and do not count."""
    for number in range(_WARM_UP + rounds):
        for case in cases:
            taken_s, cpu_s = _run(case)
            if number >= _WARM_UP:
                case.seconds.append(taken_s)
                case.cpu_seconds.append(cpu_s)


def _run(case: Case) -> tuple[float, float]:
    """Return the seconds from spawn to exit and those of computing; the output goes nowhere."""
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    environ = {"PATH": os.environ["PATH"], "HOME": str(case.home)}
    begin = perf_counter()
    pid = os.posix_spawn(case.argv[0], list(case.argv), environ, file_actions=quiet)
    _, status, usage = os.wait4(pid, 0)
    taken_s = perf_counter() - begin
    if status:
        message = f"{case.name}: exit status {os.waitstatus_to_exitcode(status)}"
        raise RuntimeError(message)
    return taken_s, usage.ru_utime + usage.ru_stime
