"""Which copies belong together, which of them breaks next, and what is worst. Pure.

Two copies with the same refresh token are one login. Two refresh tokens of the same user may be
two logins, or an old and a new token of one: no file tells, so both are said.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from fetchtoken.commands.doctor_facts import Check, Copy, Group
from fetchtoken.domain.token import CODEX_WINDOW_S

__all__ = ["SEVERITY", "groups", "worst"]

SEVERITY = (8, 6, 3, 2, 7, 4, 5)
"""Exit codes, the most pressing first: what lets secrets out, what a person must mend, what passes."""

_ACCOUNTS = "scorpiox code or codex-fetchtoken"
"""Where ``import`` puts a login, and from where ``use`` gives it to Codex."""

_LEAD_S = {"Codex": 300, "llm-interactive-proxy": 300, "opencode": 0}
"""How long before a token expires these exchange it; of the others that is not known."""


def groups(copies: Iterable[Copy], now_s: float) -> list[Group]:
    """Return the logins on a machine, each judged, in the order in which they first came.

    Args:
        copies: what was found.
        now_s: epoch seconds.
    """
    found: dict[str, Group] = {}
    for copy in copies:
        login = copy.token or f"access-only:{copy.account_id or copy.place}:{copy.user_id}"
        found.setdefault(login, Group(login, [])).copies.append(copy)
    for group in found.values():
        group.copies.sort(key=lambda copy: -copy.age_key)
        newest = group.copies[0].age_key
        group.stale = [copy.place for copy in group.copies if copy.age_key < newest]
        group.refreshed_by = list(dict.fromkeys(copy.tool for copy in group.copies if copy.refreshing))
    for group in found.values():
        _judge(group, list(found.values()), now_s)
    return list(found.values())


def _judge(group: Group, every: list[Group], now_s: float) -> None:
    """Say what a login's next trouble is, the most pressing first."""
    newest = group.copies[0]
    holders = [copy for copy in group.copies if copy.refreshing]
    if len(holders) > 1:
        names = _listed([copy.tool for copy in holders])
        group.risk = (
            f"{names} hold one refresh token: the second to refresh is refused, and that may end the login"
        )
        group.breaks_at, who = _next_exchange(holders)
        group.breaks = f"{who} refreshes, and every other copy is dead"
        group.to_do = _part(holders)
        group.code = 3
    elif elder := _elder(group, every):
        group.risk = (
            f"{elder.copies[0].place} has a newer token of the same user: if this is an earlier one of the"
            " same login, its use may end both"
        )
        group.breaks_at, who = _next_exchange(holders) if holders else (newest.expires_at, newest.tool)
        group.breaks = f"{who} uses the older token"
        group.to_do = newest.stop
        group.code = 3
    elif not holders:
        _judge_without_refresh(group, now_s)
    else:
        group.breaks_at, who = _next_exchange(holders)
        group.breaks = f"{who} refreshes"
        if group.stale:
            group.risk = f"the access token in {_listed(group.stale)} is older than the newest one"


def _judge_without_refresh(group: Group, now_s: float) -> None:
    newest = group.copies[0]
    group.breaks_at = newest.expires_at
    if any(copy.held_by_broker and not copy.disabled for copy in group.copies):
        group.breaks = "the broker gives another"
        return
    group.breaks = "the token expires, and nothing here renews it"
    if newest.tool == "Codex":
        group.breaks = "the token expires, unless codex-fetchtoken sync has brought another"
    if newest.expires_at is not None and newest.expires_at - CODEX_WINDOW_S <= now_s:
        group.risk = "the token is expired, and there is no refresh token"
        group.to_do = "codex-fetchtoken sync, or codex-fetchtoken login"
        group.code = 3


def _elder(group: Group, every: list[Group]) -> Group | None:
    """Return a login of the same user with a newer token, where this one would be refreshed too."""
    mine = group.copies[0]
    if not mine.account_id or not group.refreshed_by:
        return None
    for other in every:
        theirs = other.copies[0]
        same = theirs.account_id == mine.account_id and len({theirs.user_id, mine.user_id} - {""}) <= 1
        if other is not group and same and other.refreshed_by and theirs.age_key > mine.age_key:
            return other
    return None


def _next_exchange(holders: list[Copy]) -> tuple[float | None, str]:
    """Return when the first program exchanges, as far as that is known, and its name."""
    known = [
        (copy.expires_at - _LEAD_S[copy.tool], copy.tool)
        for copy in holders
        if copy.tool in _LEAD_S and copy.expires_at is not None
    ]
    unknown = [copy.tool for copy in holders if copy.tool not in _LEAD_S]
    if unknown:  # days before, or whenever it is used: it may be the next
        return None, unknown[0]
    return min(known) if known else (None, holders[0].tool)


def _part(holders: list[Copy]) -> str:
    """Return what brings the refresh token closer to one file: other tools first, then a link for Codex."""
    accounts = [copy for copy in holders if copy.tool == _ACCOUNTS]
    codex = [copy for copy in holders if copy.tool == "Codex"]
    others = [copy for copy in holders if copy not in accounts + codex]
    if not others and accounts and codex:
        name = accounts[0].place.rpartition("/")[2].removesuffix(".json")
        return f"codex-fetchtoken use {shlex.quote(name)}"
    spare = others or codex[1:] or accounts[1:]
    first = next((copy for copy in spare if copy.rewritable), spare[0])
    if first.rewritable and first.tool != _ACCOUNTS:
        return f"codex-fetchtoken import {shlex.quote(first.place)} --neutralise"
    return first.stop


def _listed(names: list[str]) -> str:
    unique = list(dict.fromkeys(names))
    if len(unique) == 1:
        return unique[0] if len(names) == 1 else f"{len(names)} files of {unique[0]}"
    return f"{', '.join(unique[:-1])} and {unique[-1]}"


def worst(logins: Iterable[Group], checks: Iterable[Check]) -> tuple[int, str, str]:
    """Return exit code, message and hint of the most pressing finding; 0 where there is none."""
    found = [(login.code, f"{login.who}: {login.risk}", login.to_do) for login in logins if login.code]
    found += [(check.code, check.detail, check.hint) for check in checks if check.code]
    if not found:
        return 0, "", ""
    return min(found, key=lambda one: SEVERITY.index(one[0]))
