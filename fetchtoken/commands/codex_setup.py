"""``codex setup``: let the Codex CLI use the tokens of a broker or an SSH host.

The order keeps Codex working wherever it is stopped: what is about to be done is written down, then
the new login stands in ``auth.json``, then ``config.toml`` changes in one step from what a former setup
made of it to what this one wants, and what only the former one needed goes last.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from fetchtoken.codex.setup_record import Record, Records, records
from fetchtoken.codex.user_manager import UserManager
from fetchtoken.commands.asking import Note
from fetchtoken.commands.codex_machine import enrol, retire
from fetchtoken.commands.codex_plan import Plan, Wish, config_path, plan_for
from fetchtoken.commands.codex_steps import install_timer, remove_timer, rewrite_config
from fetchtoken.commands.sync import put
from fetchtoken.commands.unattended import without_secrets
from fetchtoken.domain.instants import to_rfc3339
from fetchtoken.settings import Settings
from fetchtoken.sources.machine import broker_base

__all__ = ["manager_for", "setup"]


def manager_for(settings: Settings) -> UserManager:
    """Return the service manager of the caller."""
    return UserManager(without_secrets(settings.environ))


def setup(settings: Settings, wish: Wish, note: Note) -> Mapping[str, str]:
    """Set up Codex, in place of a former setup.

    Args:
        settings: where the broker or the SSH host is, and whose Codex.
        wish: how.
        note: takes a line for each thing that was done.

    Returns:
        The variables that Codex must be started with, if any.

    Raises:
        ConfigError: the user has it otherwise in ``config.toml`` or in a unit file.
        Unsafe: ``auth.json`` holds a credential that would be lost, or files cannot be written.
        Unavailable: another program holds a lock, or the service manager does not answer.
        FetchTokenError: as the source raises.
    """
    manager = manager_for(settings)
    with records(settings.environ, settings.home, settings.codex_home) as store:
        former = store.read()
        plan = plan_for(settings, wish, former, manager, note)
        unused = former.timer if former and former.timer and not plan.timer else None
        record = Record(
            wish.mode,
            wish.source,
            settings.codex_home,
            timer=plan.timer or unused,
            program=wish.program,
        )
        if former:
            record = replace(
                record,
                configs=former.configs,
                machine=former.machine,
                issuer=former.issuer,
                key=former.key,
                spare=former.spare,
                asking=former.asking,
            )
        store.write(record)
        if wish.mode == "endpoint":
            record = _enrolled(settings, store, record, plan, note)
        elif wish.mode == "file":
            record = _retired(settings, store, record, plan, note)
            _write_login(settings, plan, note)
        record = rewrite_config(store, record, config_path(settings), plan.keys, note)
        store.write(record)
        if wish.mode == "command":
            record = _retired(settings, store, record, plan, note)
        if plan.timer:
            install_timer(manager, plan.timer, note)
        if unused:
            remove_timer(manager, unused, note)
        store.write(replace(record, timer=plan.timer, finished=True))
    note("Codex processes that run must be started anew; codex-fetchtoken codex undo takes all this back")
    return plan.variables


def _enrolled(settings: Settings, store: Records, record: Record, plan: Plan, note: Note) -> Record:
    """Get a credential, after one of another broker has gone."""
    base = broker_base(settings.remote_url)
    if record.issuer != base or (record.asking and record.machine != plan.wish.machine):
        record = _retired(settings, store, record, plan, note)
    record = replace(record, machine=plan.wish.machine, issuer=base, asking=False)
    store.write(record)
    return enrol(settings, store, record, settings.account or plan.token.account, note)


def _retired(settings: Settings, store: Records, record: Record, plan: Plan, note: Note) -> Record:
    if not record.machine:
        return record
    return retire(settings, store, record, plan.token, note, insist=False)


def _write_login(settings: Settings, plan: Plan, note: Note) -> None:
    wrote = put(settings.codex_home, plan.token)
    expires = plan.token.expires_at
    until = "an unknown time" if expires is None else to_rfc3339(expires)
    path = os.path.join(settings.codex_home, "auth.json")
    note(f"{path} {'is now' if wrote else 'was already'} good until {until}")
