"""``doctor``: every copy of each login on this machine, who refreshes it, and what breaks next."""

from __future__ import annotations

import os
import time

from fetchtoken.commands.doctor_copies import codex_homes, find_copies
from fetchtoken.commands.doctor_facts import Check, Copy, Group
from fetchtoken.commands.doctor_host import (
    check_directories,
    check_environment,
    check_files,
    check_settings,
    check_store,
)
from fetchtoken.commands.doctor_peers import check_broker, check_clock, check_issuer, check_ssh
from fetchtoken.commands.doctor_rules import groups, worst
from fetchtoken.commands.doctor_setup import check_setup
from fetchtoken.domain.errors import (
    ConfigError,
    Denied,
    FetchTokenError,
    LoginRequired,
    Malformed,
    NotFound,
    Unavailable,
    Unsafe,
)
from fetchtoken.domain.instants import to_rfc3339
from fetchtoken.settings import Settings

__all__ = ["Report", "examine"]

_ERRORS: dict[int, type[FetchTokenError]] = {
    kind.exit_code: kind
    for kind in (ConfigError, LoginRequired, NotFound, Unavailable, Denied, Malformed, Unsafe)
}


class Report:
    """What was found.

    Args:
        logins: each with its copies.
        checks: what was looked at beside them.
    """

    def __init__(self, logins: list[Group], checks: list[Check]) -> None:
        self.logins = logins
        self.checks = checks
        code, message, hint = worst(logins, checks)
        self.error = _ERRORS[code](message, hint=hint) if code else None
        """The most pressing finding, where anything is wrong."""

    def to_json(self) -> dict[str, object]:
        """Return it for ``--json``; never a token, but the fingerprints of refresh tokens."""
        error = self.error
        return {
            "exit_code": error.exit_code if error else 0,
            "first": error.hint if error else None,
            "logins": [_login_json(login) for login in self.logins],
            "copies": [_copy_json(copy, login.login) for login in self.logins for copy in login.copies],
            "checks": [
                {
                    "check": check.check,
                    "ok": check.ok,
                    "detail": check.detail,
                    "exit_code": check.code,
                    "hint": check.hint or None,
                }
                for check in self.checks
            ],
        }


def _login_json(login: Group) -> dict[str, object]:
    newest = login.copies[0]
    return {
        "login": login.login,
        **{name: login.known(name) or None for name in ("account_id", "user_id", "email", "plan_type")},
        "copies": [copy.place for copy in login.copies],
        "tools": list(dict.fromkeys(copy.tool for copy in login.copies)),
        "refreshed_by": login.refreshed_by,
        "stale": login.stale,
        "expires_at": _time(newest.expires_at),
        "risk": login.risk or None,
        "next": {"at": _time(login.breaks_at), "what": login.breaks},
        "to_do": login.to_do or None,
        "exit_code": login.code,
    }


def _copy_json(copy: Copy, login: str) -> dict[str, object]:
    return {
        "place": copy.place,
        "also": list(copy.also),
        "login": login,
        "tool": copy.tool,
        "format": copy.form,
        "refreshes": copy.refreshes if copy.refreshing else "never",
        "refresh_token": copy.token or None,
        "disabled": copy.disabled,
        "issued_at": _time(copy.issued_at),
        "expires_at": _time(copy.expires_at),
    }


def _time(at_s: float | None) -> str | None:
    return None if at_s is None else to_rfc3339(at_s)


def examine(settings: Settings, refused: FetchTokenError | None = None) -> Report:
    """Look at everything; nothing is exchanged, written or locked for longer than a look.

    Args:
        settings: where to look, and whom to ask.
        refused: why the project's files were left out of them.
    """
    found = find_copies(settings)
    logins = groups(found.copies, time.time())
    homes = codex_homes(settings)
    checks = check_settings(settings, refused)
    if not logins and "local" in settings.sources:
        missing = "no login was found on this machine"
        checks.append(Check("logins", ok=False, detail=missing, code=4, hint="codex-fetchtoken login"))
    checks += [*found.checks, *check_files(found.files)]
    checks += check_directories([*homes, *(os.path.dirname(os.path.realpath(path)) for path in found.files)])
    checks += [*check_store(homes), *check_setup(settings), *check_environment(settings)]
    lead_s = None
    if "remote" in settings.sources:
        asked, lead_s = check_broker(settings)
        checks += asked
    if "ssh" in settings.sources:
        checks += check_ssh(settings)
    if lead_s is None and any(login.refreshed_by for login in logins):
        lead_s = check_issuer(settings, "")
    return Report(logins, [*checks, check_clock(lead_s)])
