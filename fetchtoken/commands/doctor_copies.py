"""Finds every copy of a login on this machine, where the tools of the field keep them."""

from __future__ import annotations

import os
from glob import glob

from fetchtoken.codex.config import store_mode
from fetchtoken.commands.doctor_facts import Check, Copy
from fetchtoken.domain.errors import FetchTokenError
from fetchtoken.domain.secret import Secret
from fetchtoken.files.guard import read_text
from fetchtoken.formats.codex import AuthFile
from fetchtoken.formats.detect import FORMATS, OTHER_FILE, parse_any
from fetchtoken.formats.login import Login
from fetchtoken.formats.multi_auth import PENDING
from fetchtoken.formats.places import TOOLS, Tool, is_paused, tool_at
from fetchtoken.settings import Settings
from fetchtoken.sources.keyring import read_keyring

__all__ = ["Found", "codex_homes", "find_copies"]

_PROXY = "var/openai_codex_oauth_accounts/*.json"
"""Below the directory in which llm-interactive-proxy runs."""

_VARIABLE = "OPENCODE_AUTH_CONTENT"


class Found:
    """What was found.

    Attributes:
        copies: every login in every place.
        checks: what could not be read.
        files: the real files that hold logins.
    """

    def __init__(self) -> None:
        self.copies: list[Copy] = []
        self.checks: list[Check] = []
        self.files: list[str] = []


def codex_homes(settings: Settings) -> list[str]:
    """Return the Codex homes: the configured one, and the usual one."""
    homes = [settings.codex_home, os.path.join(settings.home, ".codex")]
    return list(dict.fromkeys(home for home in homes if os.path.isdir(home)))


def find_copies(settings: Settings) -> Found:
    """Read every file that a known tool would keep a login in, the keyring, and opencode's variable."""
    found = Found()
    for path, names in _files(settings).items():
        _read(found, path, names)
    for home in codex_homes(settings):
        _read_keyring(found, home)
    if content := settings.environ.get(_VARIABLE, ""):
        _keep(found, _VARIABLE, content.encode(), also=())
    return found


def _files(settings: Settings) -> dict[str, list[str]]:
    """Return each real file with the names under which it was found."""
    data = settings.environ.get("XDG_DATA_HOME", "")
    data_home = data if os.path.isabs(data) else os.path.join(settings.home, ".local/share")
    patterns = [settings.credentials_file, settings.openai_codex_path]
    if settings.openai_codex_path and os.path.isdir(settings.openai_codex_path):
        patterns[1] = os.path.join(settings.openai_codex_path, "auth.json")
    for home in codex_homes(settings) or [settings.codex_home]:
        for tool in TOOLS:
            patterns += tool.globs(home=settings.home, codex_home=home, data_home=data_home)
    if settings.cascade.cwd:
        patterns.append(os.path.join(settings.cascade.cwd, _PROXY))
    files: dict[str, list[str]] = {}
    for pattern in patterns:
        for path in sorted(glob(pattern)) if "*" in pattern else [pattern] * os.path.isfile(pattern):
            if path.endswith("/registry.json"):
                continue
            names = files.setdefault(os.path.realpath(path), [])
            if path not in names:
                names.append(path)
    return files


def _read(found: Found, path: str, names: list[str]) -> None:
    try:
        data = read_text(path, private=False).encode()
        beside = path + PENDING
        pending = read_text(beside, private=False).encode() if os.path.exists(beside) else None
    except FetchTokenError as error:
        found.checks.append(_unread(path, error))
        return
    # A link that Codex reads, as ``use`` makes it, says more than the file that it leads to.
    shown = next((name for name in names if name.endswith("/auth.json")), names[0])
    also = tuple(name for name in names if name != shown)
    if _keep(found, shown, data, also=also, pending=pending):
        found.files.append(shown)


def _keep(
    found: Found, place: str, data: bytes, *, also: tuple[str, ...], pending: bytes | None = None
) -> bool:
    """Add the logins in a file; tell whether there are any."""
    try:
        logins = parse_any(data, place, pending=pending)
    except FetchTokenError as error:
        # An empty file, or another provider's, is nothing to tell of.
        if error.code != OTHER_FILE and error.exit_code != 4:
            found.checks.append(_unread(place, error))
        return False
    for login in logins:
        found.copies.append(_copy(login, tool_at(place, login.form), also=also, paused=is_paused(place)))
    return bool(logins)


def _read_keyring(found: Found, home: str) -> None:
    try:
        mode = store_mode(home)
        if mode not in ("keyring", "auto"):
            return
        auth = read_keyring(home)
    except FetchTokenError as error:
        found.checks.append(Check(f"keyring:{home}", ok=None, detail=error.message, hint=error.hint))
        return
    if auth is not None:
        found.copies.append(_copy(_login_of(auth, home), tool_at("/.codex/auth.json", "codex"), also=()))


def _login_of(auth: AuthFile, home: str) -> Login:
    token = auth.token()
    return Login(
        form="codex",
        where=f"the keyring entry of {home}",
        access_token=token.access_token,
        refresh_token=auth.refresh_token,
        id_token=token.id_token or Secret(""),
        account_id=token.account_id,
    )


def _copy(login: Login, tool: Tool, *, also: tuple[str, ...], paused: bool = False) -> Copy:
    form = FORMATS[login.form]
    return Copy(
        place=login.where,
        tool=tool.name,
        refreshes=tool.refreshes,
        stop=tool.stop,
        form=login.form,
        token=login.refresh_token.fingerprint() if login.refresh_token else "",
        account_id=login.account_id,
        user_id=login.user_id,
        email=login.email,
        plan_type=login.plan_type,
        issued_at=login.issued_at,
        expires_at=None if login.expires_at is None else int(login.expires_at),
        last_refresh=login.last_refresh,
        disabled=login.disabled or paused,
        held_by_broker=login.refresh_token.reveal().startswith("cbr_"),
        also=also,
        rewritable=form.access_only is not None and os.path.isfile(login.where),
    )


def _unread(path: str, error: FetchTokenError) -> Check:
    return Check(f"file:{path}", ok=False, detail=error.message, code=error.exit_code, hint=error.hint)
