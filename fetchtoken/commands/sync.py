"""``sync``: keep an access-only ``auth.json`` for the real Codex, from the broker or an SSH host."""

from __future__ import annotations

import os
import time
from contextlib import suppress

from fetchtoken.codex.locks import auth_locks
from fetchtoken.commands.asking import Note, request_for
from fetchtoken.domain.errors import ConfigError, FetchTokenError, Malformed, NotFound, Unsafe
from fetchtoken.domain.instants import to_rfc3339
from fetchtoken.domain.jsontext import dumps
from fetchtoken.domain.token import Token
from fetchtoken.files.atomic import replace_file, sweep
from fetchtoken.files.guard import read_private
from fetchtoken.formats.codex import ACCESS_ONLY, AuthFile, access_only_document, parse_auth_file
from fetchtoken.settings import Settings
from fetchtoken.sources import remote, ssh

__all__ = ["check_target", "clear", "fetched", "merged_document", "put", "read_login", "sync"]

_OF_A_LOGIN = ("oauth_provenance", "login_owner_id")
"""Keys that belong to the login that was there, not to the file."""

_LOCKS_S = 10.0


def sync(settings: Settings, note: Note, *, codex_home: str, adopted: bool) -> None:
    """Write another machine's token into the ``auth.json`` of a Codex home, under Codex's locks.

    Args:
        settings: where the broker or the SSH host is; of both, the one that is named first is asked.
        note: takes a line that says what was done.
        codex_home: the directory, or an empty string for the configured one.
        adopted: only where the file is access-only already; anything else is left alone with a note.

    Raises:
        ConfigError: the source is local.
        NotFound: ``adopted``, and the token is another account's than the file's.
        Unsafe: the file holds a credential that would be lost, or cannot be replaced safely.
        Unavailable: somebody else holds Codex's locks.
        FetchTokenError: as that source raises.
    """
    home = codex_home or settings.codex_home
    path = os.path.join(home, "auth.json")
    held = read_login(path)
    if adopted and (held is None or held.kind != ACCESS_ONLY or _credential(held)):
        note(f"nothing to do: {path} is not access-only")
        return
    source = next((name for name in settings.sources if name != "local"), "")
    if not source:
        raise ConfigError(
            "the source is local, and sync brings a token from the broker or an SSH host",
            hint="--source remote and CODEX_REMOTE_URL, or --source ssh and CODEX_SSH_HOST",
        )
    _check_replaceable(path, held)
    token = fetched(settings, source, note)
    wrote = put(home, token, adopted=adopted)
    until = "an unknown time" if token.expires_at is None else to_rfc3339(token.expires_at)
    note(f"{path} {'is now' if wrote else 'was already'} good until {until}")


def check_target(path: str) -> AuthFile | None:
    """Return what a file holds, or ``None``, having seen that an access-only one could take its place.

    Raises:
        Unsafe: it holds a credential that would be lost, or cannot be replaced safely.
        Malformed: it cannot be read.
    """
    held = read_login(path)
    _check_replaceable(path, held)
    return held


def fetched(settings: Settings, source: str, note: Note) -> Token:
    """Return the source's token, which says whose it is; raises as that source does."""
    fetch = ssh.fetch if source == "ssh" else remote.fetch
    token = fetch(settings, request_for(settings, note, interactive=True))
    if not token.account_id:
        raise Malformed(f"the {source} source's token does not say whose it is", hint="--verbose")
    return token


def put(home: str, token: Token, *, adopted: bool = False) -> bool:
    """Write a token into the ``auth.json`` of a Codex home, under Codex's locks; return whether it changed.

    Raises:
        NotFound: ``adopted``, and the token is another account's than the file's.
        Unsafe: the file holds a credential that would be lost, or cannot be replaced safely.
        Unavailable: somebody else holds Codex's locks.
    """
    path = os.path.join(home, "auth.json")
    try:
        os.makedirs(home, mode=0o700, exist_ok=True)
        real = os.path.realpath(path)  # once: a link that is turned meanwhile must not lead us elsewhere
        with auth_locks(real, home, time.monotonic() + _LOCKS_S):
            sweep(real)
            return _write(real, token, adopted=adopted)
    except OSError as error:
        raise Unsafe(
            f"{error.filename or path} cannot be written: {error.strerror}", hint=f"ls -ld {home}"
        ) from None


def clear(home: str) -> None:
    """Remove what a kill in :func:`put` left behind, if nobody else is writing."""
    path = os.path.realpath(os.path.join(home, "auth.json"))
    with suppress(OSError, FetchTokenError), auth_locks(path, home, time.monotonic()):
        sweep(path)


def _write(path: str, token: Token, *, adopted: bool) -> bool:
    """Look once more, now that nobody else writes, and replace the file; return whether it changed."""
    held = check_target(path)
    if adopted and held is not None and held.account_id not in ("", token.account_id):
        raise NotFound(
            f"{path} holds account {held.account_id}, and the {token.source} source gave {token.account_id}",
            hint="--account NAME, or codex-fetchtoken sync without --adopted",
        )
    before = held.document if held is not None else {}
    after = merged_document(before, access_only_document(token, now_s=time.time()))
    if after == before:
        return False
    replace_file(path, dumps(after, indent=2).encode())
    return True


def merged_document(before: dict[str, object], new: dict[str, object]) -> dict[str, object]:
    """Return the new document with the keys of the old one that nobody here knows.

    Args:
        before: what the file holds.
        new: a whole access-only document.
    """
    old_tokens, new_tokens = before.get("tokens"), new["tokens"]
    kept = old_tokens if isinstance(old_tokens, dict) else {}
    added = new_tokens if isinstance(new_tokens, dict) else {}
    tokens = {key: value for key, value in kept.items() if key not in _OF_A_LOGIN}
    return {**before, **new, "tokens": {**tokens, **added}}


def read_login(path: str) -> AuthFile | None:
    """Return what the file holds, or ``None`` where there is none or an empty one."""
    try:
        return parse_auth_file(read_private(path), path)
    except NotFound:
        return None


def _check_replaceable(path: str, held: AuthFile | None) -> None:
    if held is None:
        return
    if what := _credential(held):
        of_broker = held.refresh_token.reveal().startswith("cbr_")
        raise Unsafe(
            f"{path} holds {what}, which would be lost",
            hint="codex-fetchtoken codex undo, or codex-fetchtoken logout: it is a broker's"
            if of_broker
            else "codex-broker account adopt FILE on the broker's machine, or codex logout",
        )
    if os.stat(path).st_nlink > 1:
        raise Unsafe(f"{path} is hard-linked, so its other name would go stale", hint=f"ls -li {path}")


def _credential(held: AuthFile) -> str:
    """Say which lasting credential a file holds, in words, or return an empty string."""
    if _has_refresh_token(held.document):
        return "a refresh token"
    return (
        "" if held.kind in ("chatgpt", ACCESS_ONLY) and not held.document.get("OPENAI_API_KEY") else "a key"
    )


def _has_refresh_token(value: object) -> bool:
    """Look everywhere: the files of other tools keep it in other places."""
    if isinstance(value, dict):
        here = value.get("refresh_token") or value.get("refreshToken")
        return bool(here) or any(_has_refresh_token(item) for item in value.values())
    return isinstance(value, list) and any(_has_refresh_token(item) for item in value)
