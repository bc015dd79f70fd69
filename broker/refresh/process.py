"""One exchange process, as the daemon sees it.

``subprocess`` and a thread, not asyncio's own subprocesses: their transport kills a child that is
still running when the loop closes, and this child must never be killed by us.
"""

import os
import subprocess
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from broker.domain.records import Account
from broker.refresh.journals import intent_record, spare_of
from fetchtoken.files.atomic import write_all
from fetchtoken.oauth.journal import JournalKey
from fetchtoken.oauth.messages import refresh_body
from fetchtoken.oauth.outcome import Answer
from fetchtoken.oauth.spawn import (
    EXCHANGE,
    boot_clock_s,
    child_argv,
    child_environment,
    encode_frame,
    read_frame,
)

__all__ = ["LIMIT_S", "ExchangeProcess"]

LIMIT_S = 30.0
"""Hard limit of one request."""


class ExchangeProcess:
    """Starts the process for an armed account and reads its report. Every method blocks.

    Args:
        account: the account as armed; its refresh token is what is sent.
        attempt_id: the attempt.
        journal_path: the attempt's file.
        journal_fd: its locked descriptor; the process inherits the lock with it.
        key: seals the journal.
        environ: the daemon's environment, from which proxies and certificates are passed on.
        reason: ``scheduled`` or ``forced``, told to the issuer as Codex does.
    """

    def __init__(  # noqa: PLR0913 - the whole of what the process depends on
        self,
        account: Account,
        *,
        attempt_id: str,
        journal_path: str,
        journal_fd: int,
        key: JournalKey,
        environ: Mapping[str, str],
        reason: str,
    ) -> None:
        self._fd = journal_fd
        self._environ = child_environment(environ)
        self._frame: dict[str, object] = {
            "attempt": Path(journal_path).name,
            "url": f"{account.issuer.rstrip('/')}/oauth/token",
            "body": refresh_body(account.refresh_token, client_id=account.client_id, reason=reason).decode(),
            "journal_fd": journal_fd,
            "started_s": boot_clock_s(),
            "limit_s": LIMIT_S,
            "ca_file": self._environ.get("CODEX_CA_CERTIFICATE", ""),
            "journal_key": {"key_id": key.key_id, "key": b64encode(key.key).decode()},
            "spare": spare_of(journal_path),
            "intent": intent_record(attempt_id, account),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> tuple[Answer, bool] | None:
        """Start it and wait for its report.

        Returns:
            The raw answer and whether the journal holds it; ``None`` where the process died first.

        Raises:
            OSError: it cannot be started; nothing was sent.
        """
        try:
            self._process = process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                child_argv(EXCHANGE),
                # Unbuffered: what a failing write leaves in a buffer would go out when the pipe is
                # closed, and the process would send what the caller takes for not sent.
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=self._environ,
                cwd="/",
                start_new_session=True,
                pass_fds=(self._fd,),
            )
        finally:
            # From here on the lock lives exactly as long as the process.
            os.close(self._fd)
        try:
            self._hand_over(process)
            answer, journaled = self._listen(process)
        except Exception:  # noqa: BLE001 - whatever broke the talk, the journal knows what was done
            self.release()
            return None
        if journaled:
            self.release()
        return answer, journaled

    def acknowledge(self) -> None:
        """Tell a process whose answer the journal did not take that the store has it."""
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.write(b"\x06")
        self.release()

    def release(self) -> None:
        """Close the pipes and reap the process."""
        process = self._process
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        process.wait()

    def _hand_over(self, process: subprocess.Popen[bytes]) -> None:
        """Give the process its request.

        Raises:
            OSError: it did not take the whole of it.
        """
        assert process.stdin is not None  # noqa: S101 - PIPE was asked for
        frame, self._frame = encode_frame(self._frame), {}
        write_all(process.stdin.fileno(), frame)

    def _listen(self, process: subprocess.Popen[bytes]) -> tuple[Answer, bool]:
        """Wait for the report: the raw answer, and whether the journal holds it.

        Raises:
            ValueError: the process ended without one.
            OSError: it cannot be read.
        """
        assert process.stdout is not None  # noqa: S101 - PIPE was asked for
        report = read_frame(process.stdout.fileno())
        answer = None if report is None else report.get("answer")
        if report is None or not isinstance(answer, dict):
            raise ValueError("the exchange process ended without a report")
        return Answer.from_json(answer), report.get("journaled") is True
