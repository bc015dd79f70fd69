"""What ``doctor`` looks at on this machine: files, directories, attempts, variables, settings."""

from __future__ import annotations

import os
import time

from fetchtoken.codex.config import store_mode
from fetchtoken.codex.local_attempt import Verdict, attempt_path, look_back
from fetchtoken.codex.replaceable import check_replaceable
from fetchtoken.commands.doctor_facts import Check
from fetchtoken.domain.errors import FetchTokenError, Unsafe
from fetchtoken.files.guard import check_private, read_text, writable_by_others
from fetchtoken.files.lock import is_locked
from fetchtoken.formats.codex import AuthFile, parse_auth_file
from fetchtoken.settings import Settings
from fetchtoken.settings.keys import is_steered

__all__ = ["check_directories", "check_environment", "check_files", "check_settings", "check_store"]


def passed(check: str, detail: str) -> Check:
    """Return a check with nothing wrong."""
    return Check(check, ok=True, detail=detail)


def failed(check: str, error: FetchTokenError) -> Check:
    """Return a check that found what the error says."""
    return Check(check, ok=False, detail=error.message, code=error.exit_code, hint=error.hint)


def check_settings(settings: Settings, refused: FetchTokenError | None) -> list[Check]:
    """Name the project file that sets what it may not, and the files that were ignored."""
    found = [failed("settings", refused)] if refused is not None else []
    found += [passed("settings", note) for note in settings.notes]
    return found or [passed("settings", f"sources: {', '.join(settings.sources)}")]


def check_files(files: list[str]) -> list[Check]:
    """Look at the mode, owner and whereabouts of each file with a login, and at what is left beside it."""
    return [check for path in files for check in _check_file(path)]


def _check_file(path: str) -> list[Check]:
    try:
        check_private(path, os.stat(path))
        loose = writable_by_others(path)
        if loose:
            raise Unsafe(f"others can write {loose}, in which {path} lies", hint=f"chmod go-w {loose}")
    except OSError as error:
        return [
            failed(
                f"file:{path}", Unsafe(f"{path} cannot be looked at: {error.strerror}", hint=f"ls -l {path}")
            )
        ]
    except FetchTokenError as error:
        return [failed(f"file:{path}", error)]
    auth = _codex_login(path)
    if auth is None or not auth.refresh_token:
        return [passed(f"file:{path}", f"{path} is closed to others")]
    try:
        check_replaceable(auth)
    except FetchTokenError as error:
        return [failed(f"file:{path}", error)]
    except OSError as error:
        unwritable = Unsafe(f"{path} cannot be written: {error.strerror}", hint=f"ls -l {path}; mount")
        return [failed(f"file:{path}", unwritable)]
    return [passed(f"file:{path}", f"{path} is closed to others and can be replaced"), *_attempt(path, auth)]


def _codex_login(path: str) -> AuthFile | None:
    try:
        return parse_auth_file(read_text(path, private=False), path)
    except FetchTokenError:
        return None


def _attempt(path: str, auth: AuthFile) -> list[Check]:
    """Say what an earlier exchange of a file's refresh token came to, where that is of any interest."""
    beside = attempt_path(path)
    verdict = look_back(beside, auth.refresh_token, now_s=time.time()).verdict
    if verdict is Verdict.IN_DOUBT:
        detail = f"{path}: an earlier exchange is in doubt: it was sent, and its answer is unknown"
        hint = "codex-fetchtoken refresh --force"
        return [Check(f"attempt:{path}", ok=False, detail=detail, code=5, hint=hint)]
    if verdict is Verdict.REFUSED:
        detail = f"{path}: the issuer refused its refresh token"
        hint = "codex-fetchtoken login"
        return [Check(f"attempt:{path}", ok=False, detail=detail, code=3, hint=hint)]
    return []


def check_directories(directories: list[str]) -> list[Check]:
    """Try whether each directory can be written and its file system can lock, without leaving anything."""
    return [check for path in dict.fromkeys(directories) for check in (_writable(path), _locks(path))]


def _writable(path: str) -> Check:
    name = f"writable:{path}"
    read_only = hasattr(os, "statvfs") and os.statvfs(path).f_flag & os.ST_RDONLY
    if read_only or not os.access(path, os.W_OK):
        why = "is mounted read-only" if read_only else "cannot be written"
        hint = f"findmnt -T {path}" if read_only else f"ls -ld {path}"
        return failed(name, Unsafe(f"{path} {why}, so nothing in it can be refreshed", hint=hint))
    return passed(name, f"{path} can be written")


def _locks(path: str) -> Check:
    name = f"locks:{path}"
    lock = next((file for file in ("auth.json.lock", "auth.lock") if os.path.isfile(f"{path}/{file}")), "")
    try:
        fd = os.open(os.path.join(path, lock), os.O_RDWR if lock else os.O_RDONLY)
    except OSError as error:
        return Check(name, ok=None, detail=f"locks in {path}: {error.strerror}")
    try:
        held = is_locked(fd)
    except (ImportError, OSError):
        detail = f"the file system of {path} cannot lock, so nothing in it is exchanged"
        return Check(name, ok=False, detail=detail, code=5, hint="keep CODEX_HOME on a local disk")
    finally:
        os.close(fd)
    return passed(name, f"{path} can be locked" + (", and is at this moment" if held else ""))


def check_store(homes: list[str]) -> list[Check]:
    """Say where Codex keeps its login, where that is not the file."""
    found = []
    for home in homes:
        try:
            mode = store_mode(home)
        except FetchTokenError as error:
            found.append(failed(f"store:{home}", error))
            continue
        if mode != "file":
            said = f"Codex keeps its login in the {mode}" if mode == "keyring" else f"Codex's store is {mode}"
            found.append(passed(f"store:{home}", f"{said}: auth.json there may be nobody's"))
    return found


_LITERAL = ("CODEX_REFRESH_TOKEN_URL_OVERRIDE", "CODEX_REVOKE_TOKEN_URL_OVERRIDE")
_BEATS = {
    "CODEX_ACCESS_TOKEN": "Codex takes it for a personal access token, and looks at no login",
    "CODEX_API_KEY": "codex exec takes this API key before any login",
}
_CHANGES = {
    "CODEX_APP_SERVER_LOGIN_CLIENT_ID": "Codex refreshes as this OAuth client where a file names none",
    "CODEX_CA_CERTIFICATE": "the issuer's certificate is checked with it",
    "CODEX_HOME": "Codex's directory",
    "OPENAI_API_KEY": "Codex does not take it for a login",
    "SSL_CERT_FILE": "certificates are checked with it",
}


def check_environment(settings: Settings) -> list[Check]:
    """Say which variables change what Codex and this command do; an empty override is a trap."""
    environ = settings.environ
    found = []
    for key in _LITERAL:
        text = environ.get(key)
        name = f"environment:{key}"
        if text is not None and not text.strip():
            detail = f"{key} is empty, and Codex takes that for the address"
            found.append(Check(name, ok=False, detail=detail, code=2, hint=f"unset {key}"))
        elif text is not None and is_steered(environ, key, text):
            found.append(passed(name, f"{key} is set by the exec around this, for Codex alone"))
        elif text is not None or settings.origin(key):
            found.append(passed(name, f"{key} is set: tokens of a login go to that address"))
    for key, effect in _BEATS.items():
        if environ.get(key):
            detail = f"{key} is set: {effect}"
            found.append(Check(f"environment:{key}", ok=False, detail=detail, code=2, hint=f"unset {key}"))
    found += [
        passed(f"environment:{key}", f"{key} is set: {effect}")
        for key, effect in _CHANGES.items()
        if environ.get(key)
    ]
    return found
