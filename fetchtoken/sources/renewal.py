"""Have the exchange process refresh an auth file, and wait for it; Ctrl-C ends only the waiting."""

from __future__ import annotations

import os
import subprocess
import time

from fetchtoken.codex.refresh_file import Job
from fetchtoken.domain.errors import Unavailable
from fetchtoken.oauth.spawn import (
    FRAME_HEADER,
    REFRESH_FILE,
    boot_clock_s,
    child_argv,
    child_environment,
    decode_frame,
    encode_frame,
)
from fetchtoken.settings import Settings
from fetchtoken.sources.request import Request

__all__ = ["Report", "renew_file"]


class Report:
    """What the exchange process said.

    Args:
        status: a word of :func:`fetchtoken.codex.refresh_file.serve`, or ``lost`` where it died.
        detail: one line for people.
        hint: one thing to do, where the process knows it.
        exit_code: with ``blocked``, the class of what blocked it; 8 where it does not say.
    """

    __slots__ = ("detail", "exit_code", "hint", "status")

    def __init__(self, status: str, detail: str = "", *, hint: str = "", exit_code: int = 8) -> None:
        self.status = status
        self.detail = detail
        self.hint = hint
        self.exit_code = exit_code


def renew_file(
    path: str, settings: Settings, request: Request, *, when_due: bool = False, replay: bool = False
) -> Report:
    """Start the exchange process for one auth file and return its report.

    Args:
        path: the auth file.
        settings: where the Codex home, the broker and the overrides are.
        request: what is demanded, and until when.
        when_due: refresh where 60 % of the life is over, whatever ``min_valid_s`` says.
        replay: send a token in doubt once more.

    Raises:
        Unavailable: the deadline came first; the process goes on.
    """
    job = Job(
        path=path,
        codex_home=settings.codex_home,
        min_valid_s=request.min_valid_s,
        when_due=when_due,
        force=request.force_refresh,
        replay=replay,
        began_s=request.started_at,
        started_s=boot_clock_s(),
        url_override=settings.refresh_url_override,
        client_id_override=settings.login_client_id,
        broker_url=settings.remote_url if settings.remote_url_origin != "built-in" else "",
        broker_ca=settings.ca_file,
        ca_file=settings.codex_ca_certificate,
    )
    left_s = request.deadline - time.monotonic()
    if left_s <= 0:
        raise Unavailable(f"{path}: no time is left to refresh it", hint="give a longer --timeout")
    try:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            child_argv(REFRESH_FILE),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=child_environment(settings.environ),
            cwd=os.path.abspath(os.sep),
            start_new_session=True,
        )
    except OSError as error:
        raise Unavailable(
            f"{path}: the exchange process cannot be started: {error.strerror}", hint="try again in a minute"
        ) from None
    try:
        output, _ = process.communicate(encode_frame(job.to_json()), timeout=left_s)
    except subprocess.TimeoutExpired:
        _leave(process)
        raise Unavailable(
            f"{path}: the refresh takes longer than --timeout; it goes on in the background",
            hint="run the command again in a few seconds",
        ) from None
    except BaseException:
        _leave(process)
        raise
    return _read(output)


def _leave(process: subprocess.Popen[bytes]) -> None:
    """Stop listening to a process that goes on without us; not waiting for it is no leak."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    process.returncode = 0


def _read(output: bytes) -> Report:
    try:
        frame = decode_frame(output[FRAME_HEADER.size :])
    except ValueError:
        return Report("lost")
    code = frame.get("exit_code")
    return Report(
        str(frame.get("status", "lost")),
        str(frame.get("detail", "")),
        hint=str(frame.get("hint", "")),
        exit_code=code if isinstance(code, int) else 8,
    )
