"""What ``codex setup --print`` shows: everything that would be written, and no secret."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from difflib import unified_diff

from fetchtoken.codex.config_file import read_config
from fetchtoken.codex.setup_record import Record, peek
from fetchtoken.codex.toml_text import edited
from fetchtoken.commands.asking import Note
from fetchtoken.commands.codex_machine import login_document
from fetchtoken.commands.codex_plan import Plan, Wish, base_text, config_path, plan_for
from fetchtoken.commands.codex_setup import manager_for
from fetchtoken.domain.jsontext import dumps
from fetchtoken.domain.secret import Secret
from fetchtoken.formats.codex import access_only_document
from fetchtoken.output import quote
from fetchtoken.settings import Settings
from fetchtoken.sources.machine import broker_base

__all__ = ["shell_lines", "shown"]


def shown(settings: Settings, wish: Wish, note: Note) -> str:
    """Return what a setup would write; the source is asked, and nothing is changed.

    Raises:
        FetchTokenError: as the setup would.
    """
    former = peek(settings.environ, settings.home, settings.codex_home)
    plan = plan_for(settings, wish, former, manager_for(settings), note)
    parts = [_config(settings, plan, former)]
    if wish.mode != "command":
        parts.append(_login(settings, plan))
    if plan.variables:
        parts.append(shell_lines(plan.variables))
    if plan.timer and plan.timer.crontab:
        parts.append(f"# crontab -e\n{plan.timer.crontab}\n")
    elif plan.timer:
        parts += [f"# {path}\n{text}" for path, text in plan.timer.new.items()]
        parts.append(f"systemctl --user daemon-reload\nsystemctl --user enable --now {plan.timer.unit}\n")
    return "\n".join(part for part in parts if part)


def shell_lines(variables: Mapping[str, str]) -> str:
    """Return the lines for a shell profile."""
    return "".join(f"export {key}={quote(text, 'bash')}\n" for key, text in variables.items())


def _config(settings: Settings, plan: Plan, former: Record | None) -> str:
    """Return the lines that would go and come, and none of those around them."""
    path = config_path(settings)
    text = read_config(path) or ""
    base, _ = base_text(text, former.configs if former else (), path)
    after = edited(base, plan.keys, path)
    lines = unified_diff(text.splitlines(), after.splitlines(), path, path, n=0, lineterm="")
    return "".join(f"{line}\n" for line in lines)


def _login(settings: Settings, plan: Plan) -> str:
    hidden = ["id_token", "access_token"]
    if plan.wish.mode == "endpoint":
        hidden.append("refresh_token")
        document = login_document(Secret(""), plan.token, broker_base(settings.remote_url))
    else:
        document = access_only_document(plan.token, now_s=time.time())
    tokens = document["tokens"]
    if isinstance(tokens, dict):
        document["tokens"] = tokens | dict.fromkeys(hidden, "(hidden)")
    path = os.path.join(settings.codex_home, "auth.json")
    return f"# {path}\n{dumps(document, indent=2)}\n"
