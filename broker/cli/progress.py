"""How far long work has got, on one line of a terminal; nothing anywhere else."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

__all__ = ["shown"]

_EVERY_S = 0.3
_MIB = 1 << 20


@contextmanager
def shown(what: str, done: Callable[[], int], of: int = 0) -> Iterator[None]:
    """Show, while the block runs, how many bytes are done; the line is gone when it ends.

    Args:
        what: what is being done.
        done: called now and then, from a thread.
        of: all bytes, where that is known.
    """
    if not sys.stderr.isatty():
        yield
        return
    end = Event()
    thread = Thread(target=_show, args=(what, done, of, end), name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def _show(what: str, done: Callable[[], int], of: int, end: Event) -> None:
    total = f" of {of / _MIB:.1f}" if of else ""
    while not end.wait(_EVERY_S):
        sys.stderr.write(f"\r{what}: {done() / _MIB:.1f}{total} MiB ")
        sys.stderr.flush()
    sys.stderr.write("\r\x1b[K")
    sys.stderr.flush()
