"""Programs that do one thing wrong, so that a step of the demo can be seen to fail.

``sabotaged(directory, step)`` writes ``codex-broker`` and ``codex-fetchtoken`` there; run by that
path, ``codex-broker demo`` finds its programs beside itself and meets the fault.
"""

import signal
import sys
from pathlib import Path

__all__ = ["broker", "fetchtoken", "sabotaged"]

_ROOT = Path(__file__).parents[2]


def sabotaged(directory: Path, step: str) -> Path:
    """Write both programs with a fault in one step; return the broker's path."""
    for name in ("broker", "fetchtoken"):
        program = directory / f"codex-{name}"
        program.write_text(
            f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(_ROOT)!r})\n"
            f"from tests.support import sabotage\nsys.exit(sabotage.{name}({step!r}, {str(directory)!r}))\n"
        )
        program.chmod(0o755)
    return directory / "codex-broker"


def _count(directory: str, what: str) -> int:
    """Count a call and return the how manieth it is."""
    file = Path(directory) / what
    number = int(file.read_text()) + 1 if file.exists() else 1
    file.write_text(str(number))
    return number


def broker(step: str, directory: str) -> int:
    """Be ``codex-broker``, except where the step wants otherwise."""
    from broker.cli import main

    words = tuple(sys.argv[1:3])
    number = _count(directory, "-".join(words[:2]).replace("/", "_"))
    if step == "login" and words[0] == "sandbox":
        # An issuer that does not accept the control token it gave out.
        from tests.support.issuer import start_issuer_process

        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that the issuer ends with this one
        with start_issuer_process(Path(sys.argv[-1]).parent) as (issuer, process):
            Path(sys.argv[-1]).write_text(f'{{"url": "{issuer.url}", "control_token": "wrong"}}')
            sys.stdout.write("sandbox\n")
            sys.stdout.flush()
            return process.wait()
    nothing_done = {
        ("sandbox", "sandbox", 1),
        ("broker", "up", 1),
        ("restart", "up", 2),
        ("adopt", "account adopt", 1),
        ("client", "client add", 1),
        ("rotate", "account refresh", 1),
        ("crash", "account refresh", 2),
    }
    named = words[0] if words[0] in ("sandbox", "up") else " ".join(words)
    return 0 if (step, named, number) in nothing_done else main()


def fetchtoken(step: str, directory: str) -> int:
    """Be ``codex-fetchtoken``, except where the step wants otherwise."""
    from fetchtoken.entry import main

    number = _count(directory, "fetch")
    if step == "fetch":
        sys.stdout.write("no token\n")
        return 0
    if step == "verdict" and number == 3:
        # A copy that nobody renewed.
        sys.stdout.write((Path(directory) / "stale").read_text())
        return 0
    if step == "verdict" and number == 2:
        import subprocess

        program = [sys.executable, "-m", "tests.support.run_fetchtoken", *sys.argv[1:]]
        done = subprocess.run(program, cwd=_ROOT, capture_output=True, text=True, check=True)
        (Path(directory) / "stale").write_text(done.stdout)
        sys.stdout.write(done.stdout)
        return 0
    return main()
