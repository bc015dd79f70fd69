"""Console script of ``codex-fetchtoken``.

The plain resolve, with every option that it has, is parsed and run here: importing Typer costs
twelve times what starting Python costs. Everything else goes to :mod:`fetchtoken.cli`, which
runs the same functions; a differential test keeps both the same.
"""

import os
import sys

__all__ = ["arm", "execute", "main"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from fetchtoken.output import Stream

_COMPLETION = "_CODEX_FETCHTOKEN_COMPLETE"
"""Set by a shell that asks Typer for completions."""


def main() -> int:
    """Run the command for this process; return its exit code."""
    try:
        from fetchtoken.files.core import forbid_core_dumps
        from fetchtoken.output import Stream

        forbid_core_dumps()
        stdout = Stream(-1 if sys.stdout is None else 1)
        stderr = Stream(-1 if sys.stderr is None else 2)
        code = execute(sys.argv[1:], os.environ, _cwd(), stdout, stderr, arm=arm)
        if code == 0 and "typer" not in sys.modules:
            os._exit(0)  # all that is left is taking the interpreter apart, a sixth of its life
        _disarm()
    except KeyboardInterrupt:
        code = 130
    return code


def _cwd() -> str:
    try:
        return os.getcwd()
    except OSError:  # deleted under us: then there is no project
        return ""


def arm(timeout_s: float, stderr: "Stream") -> None:
    """End this process with exit code 5 after a while; where there are no timers, do nothing.

    Sources keep their own deadlines and say why they gave up. This is for what no deadline
    reaches: a reader that does not take the token, a keyring that waits for a password. A thread
    could watch too, but starting one costs the quick path a quarter of its time. Ending is safe
    at any instant: an exchange runs in its own process, and files are replaced whole.

    Args:
        timeout_s: seconds from now; 0 takes back what was armed before.
        stderr: told what happened.
    """
    timers = _timers()
    if not hasattr(timers, "setitimer"):  # Windows
        return

    def end(_number: int, _frame: object) -> None:
        from fetchtoken.domain.errors import Unavailable
        from fetchtoken.report import report

        error = Unavailable(f"no token within {timeout_s:g} s", hint="a longer --timeout, or --verbose")
        os._exit(report(error, stderr))

    timers.signal(timers.SIGALRM, end)
    timers.setitimer(timers.ITIMER_REAL, timeout_s)


def _timers() -> "ModuleType":
    """Return the C module that the interpreter itself has loaded.

    Its public face imports enum and makes classes of all constants: a fifth of a bare interpreter.
    """
    return sys.modules.get("_signal") or __import__("signal")


def _disarm() -> None:
    """Stop the alarm: an interpreter that is being taken apart would be killed by it."""
    timers = _timers()
    if hasattr(timers, "setitimer"):
        timers.setitimer(timers.ITIMER_REAL, 0)


def execute(  # noqa: PLR0913 - the process, piece by piece
    argv: list[str],
    environ: "Mapping[str, str]",
    cwd: str,
    stdout: "Stream",
    stderr: "Stream",
    *,
    plain: bool = True,
    arm: "Callable[[float, Stream], None] | None" = None,
) -> int:
    """Run one command line; return its exit code, with every error said on ``stderr``.

    Args:
        argv: the words after the program's name.
        environ: the environment.
        cwd: the absolute working directory, or an empty string.
        stdout: takes data.
        stderr: takes everything for people.
        plain: ``False`` sends even a plain resolve through Typer.
        arm: ends this process when ``--timeout`` is over, where it is the command's own.
    """
    try:
        from fetchtoken.options import parse_options

        options = parse_options(argv) if plain and _COMPLETION not in environ else None
        if options is None:
            from fetchtoken.cli import run_cli
            from fetchtoken.cli.caller import Caller

            return run_cli(argv, Caller(environ, cwd, stdout, stderr, arm=arm))
        from fetchtoken.resolve import run

        run(options, environ, cwd, stdout, stderr, arm=arm)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last place where it can be said
        if arm is not None:
            _disarm()
        from fetchtoken.report import report

        return report(error, stderr, verbose="--verbose" in argv or "-v" in argv)
    return 0
