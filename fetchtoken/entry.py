"""Console script of ``codex-fetchtoken``.

The plain resolve, with every option that it has, is parsed and run here: importing Typer costs
twelve times what starting Python costs. Everything else goes to :mod:`fetchtoken.cli`, which
runs the same functions; a differential test keeps both the same.
"""

import os
import sys

__all__ = ["execute", "main"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from fetchtoken.output import Stream

_COMPLETION = "_CODEX_FETCHTOKEN_COMPLETE"
"""Set by a shell that asks Typer for completions."""


def main() -> int:
    """Run the command for this process; return its exit code."""
    try:
        from fetchtoken.output import Stream

        stdout = Stream(-1 if sys.stdout is None else 1)
        stderr = Stream(-1 if sys.stderr is None else 2)
        code = execute(sys.argv[1:], os.environ, _cwd(), stdout, stderr, own_process=True)
        if code == 0 and "typer" not in sys.modules:
            os._exit(0)  # all that is left is taking the interpreter apart, a sixth of its life
    except KeyboardInterrupt:
        code = 130
    return code


def _cwd() -> str:
    try:
        return os.getcwd()
    except OSError:  # deleted under us: then there is no project
        return ""


def execute(  # noqa: PLR0913 - the process, piece by piece
    argv: list[str],
    environ: "Mapping[str, str]",
    cwd: str,
    stdout: "Stream",
    stderr: "Stream",
    *,
    plain: bool = True,
    own_process: bool = False,
) -> int:
    """Run one command line; return its exit code, with every error said on ``stderr``.

    Args:
        argv: the words after the program's name.
        environ: the environment.
        cwd: the absolute working directory, or an empty string.
        stdout: takes data.
        stderr: takes everything for people.
        plain: ``False`` sends even a plain resolve through Typer.
        own_process: this process is the command's own, and may be ended when its time is over.
    """
    try:
        from fetchtoken.options import parse_options

        options = parse_options(argv) if plain and _COMPLETION not in environ else None
        if options is None:
            from fetchtoken.cli import run_cli
            from fetchtoken.cli.caller import Caller

            return run_cli(argv, Caller(environ, cwd, stdout, stderr, own_process=own_process))
        from fetchtoken.resolve import run

        run(options, environ, cwd, stdout, stderr, own_process=own_process)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last place where it can be said
        from fetchtoken.report import report

        return report(error, stderr, verbose="--verbose" in argv or "-v" in argv)
    return 0
