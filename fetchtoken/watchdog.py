"""The end of ``--timeout``, for what no deadline of a source reaches.

Sources keep their own deadlines and say why they gave up. What is left is a reader that does
not take the token, a keyring that waits for a password, a file system that hangs. A thread
could watch too, but starting one costs the quick path a quarter of its time.
"""

import os
import sys

__all__ = ["arm"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fetchtoken.output import Stream

_UNAVAILABLE = 5


def arm(timeout_s: float, stderr: "Stream") -> None:
    """End this process with exit code 5 after a while; where there are no timers, do nothing.

    Ending is safe at any instant: an exchange runs in its own process, files are replaced whole.

    Args:
        timeout_s: seconds from now.
        stderr: told what happened.
    """
    # The interpreter itself has loaded the C module. Its public face imports enum and makes classes
    # of all constants, which costs a fifth of a bare interpreter.
    timers = sys.modules.get("_signal") or __import__("signal")
    if not hasattr(timers, "setitimer"):  # Windows
        return

    def end(_number: int, _frame: object) -> None:
        from fetchtoken.domain.errors import Unavailable
        from fetchtoken.report import report

        report(
            Unavailable(f"no token within {timeout_s:g} s", hint="a longer --timeout, or --verbose"), stderr
        )
        os._exit(_UNAVAILABLE)

    timers.signal(timers.SIGALRM, end)
    timers.setitimer(timers.ITIMER_REAL, timeout_s)
