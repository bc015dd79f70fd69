"""One exchange process, as the daemon sees it.

``subprocess`` and a thread, not asyncio's own subprocesses: their transport kills a child that is
still running when the loop closes, and this child must never be killed by us.
"""

import os
import subprocess
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

from broker.domain.records import Account
from fetchtoken.oauth.journal import JournalKey
from fetchtoken.oauth.messages import refresh_body
from fetchtoken.oauth.outcome import Answer
from fetchtoken.oauth.spawn import boot_clock_s, child_argv, child_environment, encode_frame, read_frame

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
        self._environ = environ
        self._frame: dict[str, object] = {
            "kind": "exchange",
            "attempt": Path(journal_path).name,
            "attempt_id": attempt_id,
            "url": f"{account.issuer.rstrip('/')}/oauth/token",
            "body": refresh_body(account.refresh_token, client_id=account.client_id, reason=reason).decode(),
            "journal_fd": journal_fd,
            "started_s": boot_clock_s(),
            "limit_s": LIMIT_S,
            "ca_file": environ.get("CODEX_CA_CERTIFICATE", ""),
            "journal_key": {"key_id": key.key_id, "key": b64encode(key.key).decode()},
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
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                child_argv(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=child_environment(self._environ),
                cwd="/",
                start_new_session=True,
                pass_fds=(self._fd,),
            )
        finally:
            # From here on the lock lives exactly as long as the process.
            os.close(self._fd)
        self._process = process
        report = self._talk(process)
        if report is None or not isinstance(report.get("answer"), dict):
            self.release()
            return None
        answer = Answer.from_json(report["answer"])  # type: ignore[arg-type]
        journaled = report.get("journaled") is True
        if journaled:
            self.release()
        return answer, journaled

    def acknowledge(self) -> None:
        """Tell a process whose answer the journal did not take that the store has it."""
        if self._process is not None and self._process.stdin is not None:
            try:
                self._process.stdin.write(b"\x06")
                self._process.stdin.flush()
            except BrokenPipeError:
                pass
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

    def _talk(self, process: subprocess.Popen[bytes]) -> dict[str, object] | None:
        assert process.stdin is not None  # noqa: S101 - PIPE was asked for
        assert process.stdout is not None  # noqa: S101 - same
        frame, self._frame = encode_frame(self._frame), {}
        try:
            process.stdin.write(frame)
            process.stdin.flush()
        except BrokenPipeError:
            return None
        try:
            return read_frame(process.stdout.fileno())
        except ValueError:
            return None
