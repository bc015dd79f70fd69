"""Reading the whole audit trail, page by page, with a line that says how far it is."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from broker.admin.wire import Caller
from fetchtoken.domain.errors import ConfigError

__all__ = ["check_trail", "export_trail"]


def check_trail(call: Caller) -> dict[str, Any]:
    """Have the whole trail checked and return the report."""
    progress = _Progress("checked")
    session = ""
    while True:
        done = call("audit_verify", session=session)
        if done["report"] is not None:
            progress.end()
            report: dict[str, Any] = done["report"]
            return report
        session = done["session"]
        progress.show(done["checked"], done["total"])


def export_trail(call: Caller, file: str) -> int:
    """Write every record as a line of JSON and return how many there are.

    Args:
        call: does the operations.
        file: a file that does not exist yet, or ``-`` for standard output.

    Raises:
        ConfigError: the file exists, or cannot be written; nothing of it is left.
    """
    if file == "-":
        return _write_all(call, sys.stdout)
    with _new_file(Path(file)) as stream:
        return _write_all(call, stream)


def _write_all(call: Caller, stream: IO[str]) -> int:
    progress = _Progress("exported")
    count, after = 0, None
    while True:
        page = call("audit_export", after=after)
        if page["after"] is None:
            progress.end()
            stream.flush()
            return count
        stream.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in page["records"])
        after = page["after"]
        count += len(page["records"])
        progress.show(count)


@contextmanager
def _new_file(path: Path) -> Iterator[IO[str]]:
    """Give a new file, 0600, that is durable when the block ends and gone when it fails."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise ConfigError(f"{path} exists already", hint="name a new file") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be made: {error.strerror}", hint=f"ls -ld {path.parent}") from None
    try:
        with open(fd, "w", encoding="utf-8") as stream:  # noqa: PTH123 - of a descriptor
            yield stream
            stream.flush()
            os.fsync(fd)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}", hint="free some disk, or name another file"
        ) from None
    except BaseException:
        path.unlink(missing_ok=True)
        raise


class _Progress:
    """One line on a terminal, written over and over; nothing where stderr is none."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._shown = False

    def show(self, count: int, total: int = 0) -> None:
        """Say how many records of how many."""
        if sys.stderr.isatty():
            of = f" of {max(total, count)}" if total else ""
            sys.stderr.write(f"\r{self._what} {count}{of} records")
            sys.stderr.flush()
            self._shown = True

    def end(self) -> None:
        """Take the line away."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
