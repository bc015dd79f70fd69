"""The real exchange process, started as the broker starts it."""

import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from fetchtoken.domain.secret import Secret
from fetchtoken.oauth.journal import Entry, Phase, create, inspect
from fetchtoken.oauth.messages import OAUTH_CLIENT_ID, refresh_body
from fetchtoken.oauth.outcome import Answer, Kind, classify
from fetchtoken.oauth.spawn import (
    EXCHANGE,
    boot_clock_s,
    child_argv,
    child_environment,
    encode_frame,
    read_frame,
)
from tests.support.wait import until_sync

__all__ = ["Exchange"]


class Exchange:
    """One attempt with its journal file and its process.

    Args:
        journal: the file to make.
        url: where to send.
        refresh_token: what to spend.
        environ: beside the test's own environment.
        before: words in front of the command line, such as strace's.
        frame: fields of the request that differ.
    """

    def __init__(
        self,
        journal: Path,
        url: str,
        refresh_token: str = "rt_test",  # noqa: S107 - nobody's
        *,
        environ: dict[str, str] | None = None,
        before: tuple[str, ...] = (),
        **frame: Any,
    ) -> None:
        self.journal = journal
        fd = create(str(journal), {"attempt": journal.name})
        self.frame: dict[str, Any] = {
            "attempt": journal.name,
            "url": url,
            "body": refresh_body(
                Secret(refresh_token), client_id=OAUTH_CLIENT_ID, reason="scheduled"
            ).decode(),
            "journal_fd": fd,
            "started_s": boot_clock_s(),
            "limit_s": 20.0,
            **frame,
        }
        self.process = subprocess.Popen(
            [*before, *child_argv(EXCHANGE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=child_environment({**os.environ, **(environ or {})}),
            cwd="/",
            start_new_session=True,
            pass_fds=(fd,),
        )
        os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            with suppress(BrokenPipeError):
                pipe.close()

    def send(self, data: bytes | None = None) -> Self:
        """Hand over the request, or other bytes."""
        self.process.stdin.write(encode_frame(self.frame) if data is None else data)
        self.process.stdin.flush()
        return self

    def report(self) -> dict[str, Any]:
        """Wait for the report."""
        found = read_frame(self.process.stdout.fileno())
        assert found is not None, self.process.stderr.read().decode()
        return found

    def end(self) -> int:
        """Go away as a parent does and wait for the process."""
        self.process.stdin.close()
        return self.process.wait(30)

    def look(self) -> Entry:
        return inspect(str(self.journal))

    def wait_until_free(self) -> Entry:
        """Wait until nobody carries the attempt out any more."""
        until_sync(lambda: self.look().phase is not Phase.HELD)
        return self.look()

    def kind(self) -> Kind:
        """Return what the journal's answer comes to."""
        answer = self.wait_until_free().answer
        assert isinstance(answer, Answer)
        return classify(answer, now_s=time.time()).kind
