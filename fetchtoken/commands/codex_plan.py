"""``codex setup``: what there is to do, decided before anything is touched."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from glob import escape, glob
from typing import Any

from fetchtoken.codex.config import MANAGED, SYSTEM, named_store
from fetchtoken.codex.config_change import ConfigChange, restored
from fetchtoken.codex.config_file import read_config
from fetchtoken.codex.login_keys import STORE, forced_elsewhere, ignores_file
from fetchtoken.codex.provider import foreign_key, has_provider, other_profiles, provider_keys
from fetchtoken.codex.setup_record import Record, Timer
from fetchtoken.codex.timer_unit import TIMER, crontab_line, is_ours, unit_texts
from fetchtoken.codex.toml_text import Key, parsed
from fetchtoken.codex.user_manager import UserManager
from fetchtoken.commands.asking import Note
from fetchtoken.commands.codex_machine import check_place, overrides
from fetchtoken.commands.sync import fetched, read_login
from fetchtoken.commands.unattended import fleeting, proxies, source_words
from fetchtoken.domain.digest import sha256_hex
from fetchtoken.domain.errors import ConfigError, FetchTokenError, NotFound
from fetchtoken.domain.token import Token
from fetchtoken.files.guard import read_text
from fetchtoken.formats.codex import AuthFile
from fetchtoken.settings import Settings
from fetchtoken.sources.machine import broker_base

__all__ = [
    "MODES",
    "Plan",
    "Wish",
    "base_text",
    "check_places",
    "config_path",
    "plan_for",
    "source_for",
]

MODES = ("file", "command", "endpoint")

_FORCE = "--force goes on, until codex-fetchtoken codex undo"


@dataclass(frozen=True)
class Wish:
    """What was asked for.

    Attributes:
        mode: one of :data:`MODES`.
        source: ``remote`` or ``ssh``.
        force: put aside what the user has of their own.
        program: the absolute path of our command.
        machine: what the broker is to call this Codex home, for ``endpoint``.
    """

    mode: str
    source: str
    force: bool
    program: str
    machine: str = ""


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        wish: what was asked for.
        token: the source's, as of now.
        keys: of ``config.toml``, to be set.
        timer: to keep ``auth.json`` fresh, or ``None``.
        variables: that Codex is to be started with.
    """

    wish: Wish
    token: Token
    keys: Mapping[Key, Any]
    timer: Timer | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


def source_for(settings: Settings, mode: str) -> str:
    """Return the source to set Codex up with; empty where there is nothing to do.

    Raises:
        ConfigError: an unknown mode, or one that the local source has no use for.
    """
    if mode and mode not in MODES:
        raise ConfigError(f"--mode: {mode[:80]!r} is not allowed", hint=f"use {' or '.join(MODES)}")
    source = next((name for name in settings.sources if name != "local"), "")
    if mode == "endpoint" and source == "ssh":
        if "remote" not in settings.sources:
            raise ConfigError(
                "--mode endpoint is for a broker, and the source is ssh",
                hint="--source remote and CODEX_REMOTE_URL, or another --mode",
            )
        return "remote"
    if mode and not source:
        raise ConfigError(
            f"--mode {mode} brings Codex another machine's token, and the source is local",
            hint="--source remote and CODEX_REMOTE_URL, or --source ssh and CODEX_SSH_HOST",
        )
    return source


def check_places(settings: Settings) -> None:
    """See that the paths can be written into TOML, unit files and crontabs.

    Raises:
        ConfigError: one holds what is no text.
    """
    for key, path in (("HOME", settings.home), ("CODEX_HOME", settings.codex_home)):
        if not path.isprintable():
            raise ConfigError(
                f"{key}: {path!r} holds a character that cannot be printed", hint=f"set {key} to another path"
            )


def config_path(settings: Settings) -> str:
    """Return the path of Codex's configuration."""
    return os.path.join(settings.codex_home, "config.toml")


def base_text(text: str, configs: tuple[ConfigChange, ...], name: str) -> tuple[str, list[Key]]:
    """Return a configuration without what a former setup changed, and the keys that others changed since."""
    kept: list[Key] = []
    for change in configs:
        base, kept = restored(text, change, name)
        if base != text:
            return base, kept
    return text, kept


def plan_for(settings: Settings, wish: Wish, former: Record | None, manager: UserManager, note: Note) -> Plan:
    """Look at everything, ask the source, and say what is to be done; nothing is written.

    Raises:
        ConfigError: the user has it otherwise in ``config.toml`` or in a unit file.
        Unsafe: ``auth.json`` holds a credential that would be lost.
        FetchTokenError: as the source raises.
    """
    path = config_path(settings)
    text, _ = base_text(read_config(path) or "", former.configs if former else (), path)
    config = parsed(text, path)
    auth = os.path.join(settings.codex_home, "auth.json")
    variables = overrides(settings) if wish.mode == "endpoint" else {}
    held = _held(settings, wish, former)
    token = fetched(settings, wish.source, note)
    words = source_words(settings, wish.source, token)
    if wish.mode == "command":
        _refuse_foreign(config, path, wish)
        _say_command(settings, wish, config, note)
        keys = provider_keys(
            config, path, command=wish.program, words=words, home=settings.home, account_id=token.account_id
        )
        return Plan(wish, token, keys)
    if held is not None and held.account_id not in ("", token.account_id) and not wish.force:
        raise ConfigError(
            f"{auth} holds account {held.account_id}, and the {wish.source} source gave {token.account_id}",
            hint="--account NAME, or --force to replace it",
        )
    keys = _login_keys(config, path, token, note, force=wish.force)
    timer = None
    if wish.mode == "file":
        argv = [wish.program, *words, "sync", "--adopted", "--codex-home", settings.codex_home]
        timer = _timer(settings, argv, _environment(settings, wish, note), former, manager, force=wish.force)
    return Plan(wish, token, keys, timer, variables)


def _held(settings: Settings, wish: Wish, former: Record | None) -> AuthFile | None:
    """Return what is in ``auth.json``, where it can go."""
    if wish.mode == "command":
        return None
    check_place(settings, broker_base(settings.remote_url) if wish.mode == "endpoint" else "", former)
    return read_login(os.path.join(settings.codex_home, "auth.json"))


def _refuse_foreign(config: Mapping[str, Any], path: str, wish: Wish) -> None:
    key, value = foreign_key(config)
    if key and not wish.force:
        raise ConfigError(f"{path}: {key} is {value}, which is yours", hint=_FORCE)


def _say_command(settings: Settings, wish: Wish, config: Mapping[str, Any], note: Note) -> None:
    for name in [*other_profiles(config), *_profile_files(settings)]:
        note(f"profile {name} keeps its own model_provider")
    found, secret = fleeting(settings, wish.source)
    for key in [*(key for key in found if key.startswith("CODEX_")), *filter(None, [secret])]:
        note(f"{key} stands in {settings.origin(key)} only: Codex's own must have it, too")


def _profile_files(settings: Settings) -> list[str]:
    """Return the profiles with files of their own, ``NAME.config.toml``, that choose another provider."""
    found = []
    for path in sorted(glob(os.path.join(escape(settings.codex_home), "*.config.toml"))):
        with suppress(FetchTokenError):
            if has_provider(parsed(read_config(path) or "", path)):
                found.append(os.path.basename(path).removesuffix(".config.toml"))
    return found


def _login_keys(
    config: Mapping[str, Any], path: str, token: Token, note: Note, *, force: bool
) -> dict[Key, Any]:
    """Return what must be set so that Codex uses ``auth.json``."""
    if key := forced_elsewhere(config, token.account_id):
        if not force:
            raise ConfigError(f"{path}: with {key} Codex refuses account {token.account_id}", hint=_FORCE)
        note(f"{path}: with {key} Codex refuses account {token.account_id}")
    managed = named_store(MANAGED)
    store = managed or config.get(STORE[0]) or named_store(SYSTEM)
    place = MANAGED if managed else path if STORE[0] in config else SYSTEM
    if store == "auto":
        note(f"{place}: with {STORE[0]} auto, a login in the keyring goes before auth.json")
    if not ignores_file(store):
        return {}
    if managed or not force:
        raise ConfigError(
            f"{place}: {STORE[0]} is {store}, so Codex does not read auth.json",
            hint="--mode command"
            if managed
            else "--force sets it to file, until codex-fetchtoken codex undo",
        )
    return {STORE: "file"}


def _environment(settings: Settings, wish: Wish, note: Note) -> dict[str, str]:
    """Return what a timer must be told of this shell, which is no secret."""
    environment, secret = fleeting(settings, wish.source)
    if secret:
        raise ConfigError(
            f"{secret} stands in {settings.origin(secret)} only, where no timer finds it",
            hint=f"codex-fetchtoken config set {secret} - < FILE",
        )
    if wish.source != "remote":
        return environment
    open_ones, closed = proxies(settings)
    for key in closed:
        note(f"{key} holds a password, so the timer is not told of that proxy")
    return environment | open_ones


def _timer(  # noqa: PLR0913 - what it runs, and what stands in its place
    settings: Settings,
    argv: list[str],
    environment: dict[str, str],
    former: Record | None,
    manager: UserManager,
    *,
    force: bool,
) -> Timer:
    had_units = former is not None and former.timer is not None and former.timer.unit
    if not had_units and not manager.is_there:
        return Timer("", {}, {}, crontab_line(argv, environment))
    stem = _stem(settings)
    directory = os.path.join(os.path.dirname(settings.cascade.user), "systemd/user")
    new = {f"{directory}/{name}": text for name, text in unit_texts(argv, environment, stem=stem).items()}
    now = {path: _text(path) for path in new}
    former_old = former.timer.old if former and former.timer else {}
    old = {}
    for path, text in now.items():
        ours = text is not None and is_ours(text)
        if text is not None and not ours and not force:
            raise ConfigError(f"{path} is there already, and not of this setup", hint=_FORCE)
        old[path] = former_old.get(path) if ours else text
    return Timer(f"{stem}.timer", new, old)


def _stem(settings: Settings) -> str:
    """Return the units' name: another one for each Codex home besides the user's own."""
    home = os.path.realpath(settings.codex_home)
    if home == os.path.realpath(os.path.join(settings.home, ".codex")):
        return TIMER
    return f"{TIMER}-{sha256_hex(home.encode('utf-8', 'surrogateescape'))[:8]}"


def _text(path: str) -> str | None:
    try:
        return read_text(path, private=False)
    except NotFound:
        return None
