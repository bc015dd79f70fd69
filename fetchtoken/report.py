"""How an error is said: one line with what happened, one with what to do; never a secret."""

from __future__ import annotations

from fetchtoken.domain.errors import FetchTokenError, Interrupted

__all__ = ["report"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fetchtoken.output import Stream

_PROGRAM = "codex-fetchtoken"
_ISSUES = "report this, with the output of the same command with --verbose"


def report(error: BaseException, stderr: Stream, *, verbose: bool = False) -> int:
    """Say an error on standard error; return the exit code.

    The text of an unexpected exception is not printed: it may quote what was being read.

    Args:
        error: what ended the command.
        stderr: where people read.
        verbose: add the places in the code that an unexpected error passed, without values.
    """
    lines = []
    if isinstance(error, KeyboardInterrupt):
        error = Interrupted("interrupted")
    if isinstance(error, FetchTokenError) and type(error) is not FetchTokenError:
        message, hint, code = error.message, error.hint, error.exit_code
    else:
        message, hint, code = _unexpected(error), _ISSUES, FetchTokenError.exit_code
        if verbose:
            lines = _places(error)
    lines.append(f"{_PROGRAM}: {_one_line(message)}")
    if hint:
        lines.append(f"hint: {_one_line(hint)}")
    stderr.tell("\n".join(lines) + "\n")
    return code


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else "\ufffd" for char in " ".join(text.split()))


def _unexpected(error: BaseException) -> str:
    if isinstance(error, FetchTokenError):
        return error.message
    cause = f": {error.strerror}" if isinstance(error, OSError) and error.strerror else ""
    name = f" on {error.filename}" if isinstance(error, OSError) and error.filename else ""
    places = _places(error)
    where = f", {places[-1].strip()}" if places else ""
    return f"unexpected {type(error).__name__}{cause}{name}{where}"


def _places(error: BaseException) -> list[str]:
    """Return one line per frame of the traceback."""
    lines = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        lines.append(f"  {code.co_filename}:{trace.tb_lineno} in {code.co_name}")
        trace = trace.tb_next
    return lines
