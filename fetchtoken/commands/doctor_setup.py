"""What ``doctor`` says of ``codex setup``: whether what it set up still stands."""

from __future__ import annotations

import os

from fetchtoken.codex.setup_record import Record, peek
from fetchtoken.commands.doctor_facts import Check
from fetchtoken.domain.errors import FetchTokenError
from fetchtoken.settings import Settings

__all__ = ["check_setup"]

_CHECK = "setup"
_CONFIGURATION = 2


def check_setup(settings: Settings) -> list[Check]:
    """Look at the setup of the Codex home, if there was one."""
    try:
        record = peek(settings.environ, settings.home, settings.codex_home)
    except FetchTokenError as error:
        return [Check(_CHECK, ok=False, detail=error.message, code=error.exit_code, hint=error.hint)]
    if record is None:
        return []
    again = f"codex-fetchtoken codex setup --mode {record.mode}"
    if broken := _broken(record):
        return [Check(_CHECK, ok=False, detail=broken, code=_CONFIGURATION, hint=again)]
    detail = f"Codex is set up by --mode {record.mode}, with the {record.source} source"
    return [Check(_CHECK, ok=True, detail=detail)]


def _broken(record: Record) -> str:
    """Say what is wrong with a setup, or return an empty string."""
    if not record.finished:
        return f"a setup of Codex by --mode {record.mode} was stopped half-way"
    if record.mode != "endpoint" and not os.access(record.program, os.X_OK):
        return f"Codex is set up to use {record.program}, which cannot be run any more"
    for path in record.timer.new if record.timer else ():
        if not os.path.exists(path):
            return f"{path} is missing, so nothing keeps Codex's file fresh"
    return ""
