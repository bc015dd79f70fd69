"""The local source: a token from a Codex auth file on this machine, refreshed where it must be."""

import os
import time

from fetchtoken.domain.errors import LoginRequired, Malformed, NotFound, Unavailable
from fetchtoken.domain.token import CODEX_WINDOW_S
from fetchtoken.files.guard import read_private
from fetchtoken.formats.codex import AuthFile, check_login, parse_auth_file

__all__ = ["check_account", "fetch", "find_file", "load"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fetchtoken.domain.token import Token
    from fetchtoken.settings import Settings
    from fetchtoken.sources.request import Request

_REREAD_FOR_S = 0.1
_REREAD_PAUSE_S = 0.01
LOGIN_HINT = "codex-fetchtoken login"


def fetch(settings: "Settings", request: "Request") -> "Token":
    """Return a token that lives at least ``request.min_valid_s`` seconds (and six minutes).

    Raises:
        NotFound: there is no login.
        LoginRequired: there is one, but it is expired and cannot be renewed without a person.
        Unavailable: it cannot be renewed now.
        Malformed: the file is not Codex's.
        Unsafe: others can read the file, or it is expired and cannot be replaced safely.
    """
    if not (settings.credentials_file or request.account or settings.openai_codex_path):
        from fetchtoken.codex.config import store_mode

        mode = store_mode(settings.codex_home)
        if mode != "file":
            from fetchtoken.sources.keyring import fetch_from_keyring

            kept = fetch_from_keyring(settings, request, mode)
            if kept is not None:
                return kept
    path = find_file(settings, request.account)
    auth = load(path)
    check_account(auth, settings, request.account)
    token = auth.token(account=request.account or _stem(path))
    past = _has_attempt(path)
    if not past and not request.force_refresh and _lives(token, request.min_valid_s):
        return token
    from fetchtoken.sources.local_renewal import renewed

    return renewed(auth, token, settings, request, has_attempt=past)


def find_file(settings: "Settings", account: str) -> str:
    """Return the path of the auth file that holds, whether it exists or not."""
    if settings.credentials_file:
        return settings.credentials_file
    if account:
        return os.path.join(settings.codex_home, "accounts", account + ".json")
    other = settings.openai_codex_path
    if other:
        return os.path.join(other, "auth.json") if os.path.isdir(other) else other
    return os.path.join(settings.codex_home, "auth.json")


def load(path: str) -> AuthFile:
    """Read and parse an auth file; one that is being rewritten is read again for 100 ms.

    Raises:
        NotFound, Malformed, Unsafe, LoginRequired: as for :func:`fetch`.
    """
    end_s = None
    while True:
        try:
            auth = parse_auth_file(read_private(path), path)
        except (Malformed, NotFound) as error:
            if not os.path.exists(path):
                raise NotFound(f"no login: {path} does not exist", hint=_login_hint(path)) from None
            now_s = time.monotonic()
            end_s = now_s + _REREAD_FOR_S if end_s is None else end_s
            if now_s >= end_s:
                raise error from None
            time.sleep(_REREAD_PAUSE_S)
        else:
            check_login(auth)
            return auth


def _stem(path: str) -> str:
    """Return the account name of ``accounts/NAME.json``; the default login has none."""
    directory, name = os.path.split(path)
    return name.removesuffix(".json") if os.path.basename(directory) == "accounts" else ""


def _login_hint(path: str) -> str:
    """Return the command that logs in for a file."""
    return f"{LOGIN_HINT} {_stem(path)}".rstrip()


def check_account(auth: AuthFile, settings: "Settings", account: str) -> None:
    """Raise where an account is asked for and the one file that is named holds another."""
    if not account or not settings.credentials_file:
        return
    from fetchtoken.domain.claims import Claims, decode_claims

    token = auth.token()
    claims = Claims(decode_claims(auth.id_token.reveal()) or {})
    held = (os.path.basename(auth.name).removesuffix(".json"), token.account_id, claims.email.lower())
    if account not in held:
        who = claims.email or token.account_id or "another account"
        raise NotFound(
            f"{auth.name} holds {who}, not {account}", hint="unset CODEX_CREDENTIALS_FILE or --account"
        )


def _has_attempt(path: str) -> bool:
    """Tell whether an earlier exchange left its attempt file beside the real file (one ``stat``)."""
    real = os.path.realpath(path) if os.path.islink(path) else path
    return os.path.exists(real + ".attempt")


def _lives(token: "Token", min_valid_s: float) -> bool:
    return token.seconds_left(time.time()) >= max(min_valid_s, CODEX_WINDOW_S)


def short_lived(token: "Token", path: str, request: "Request", why: str) -> Unavailable:
    """Return the error for a token that lives, but not as long as is asked for."""
    left_s = int(token.seconds_left(time.time()))
    return Unavailable(
        f"{path}: the token has {left_s} s left, under --min-valid {request.min_valid_s}, and {why}",
        hint="--min-valid 0",
    )


def dead(path: str, why: str) -> LoginRequired:
    """Return the error for a login that only a person can bring back."""
    return LoginRequired(f"{path}: {why}", hint=_login_hint(path))
