"""Copies of others' tokens, so that most calls need no contact and a broker or SSH host may be down.

One file per place, account and key in ``$XDG_CACHE_HOME/codex-fetchtoken`` (0700, files 0600). It
holds what the other side gave out, and never a refresh token. A copy that is odd in any way does
not exist: the other side is asked, and the copy is replaced.
"""

from __future__ import annotations

import os

from fetchtoken.domain.claims import Claims, decode_claims
from fetchtoken.domain.digest import sha256_hex
from fetchtoken.domain.errors import FetchTokenError
from fetchtoken.domain.jsontext import dumps, loads
from fetchtoken.domain.secret import Secret
from fetchtoken.domain.token import CODEX_WINDOW_S, Token
from fetchtoken.files.guard import read_private

__all__ = [
    "Copy",
    "cache_file",
    "copy_file",
    "forget",
    "forget_all",
    "lives",
    "read_copy",
    "write_copy",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fetchtoken.settings import Settings
    from fetchtoken.sources.request import Request

_FORM = 1
"""Changes with the shape of the file; copies of another form are ignored."""

_LIMIT = 256 * 1024
_TEXTS = ("access_token", "id_token", "account", "account_id", "plan_type", "etag")


class Copy:
    """One cached token.

    Args:
        token: as the other side gave it.
        etag: the broker's entity tag for it, or an empty string.
        checked_at: epoch seconds at which the other side last said that it stands.
    """

    __slots__ = ("checked_at", "etag", "token")

    def __init__(self, token: Token, etag: str, checked_at: float) -> None:
        self.token = token
        self.etag = etag
        self.checked_at = checked_at

    def is_recent(self, max_age_s: float, now_s: float) -> bool:
        """Tell whether it may be served without contact; one from the future may not."""
        return 0 <= now_s - self.checked_at < max_age_s


def cache_file(settings: Settings, account: str, key: Secret | None) -> str:
    """Return the path of the copy for a broker, an account and an API key.

    The name is a hash: neither the key nor anything from which it could be told stands in it.
    """
    fingerprint = sha256_hex(key.reveal().encode()) if key else ""
    return copy_file(settings, settings.remote_url, account, fingerprint)


def copy_file(settings: Settings, *of: str) -> str:
    """Return the path of the copy of what all these texts together stand for; none has a line break."""
    base = settings.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(settings.home, ".cache")
    name = sha256_hex("\n".join(of).encode())
    return os.path.join(base, "codex-fetchtoken", name[:32] + ".json")


def lives(token: Token, request: Request, now_s: float) -> bool:
    """Tell whether a token is alive for as long as is asked."""
    return token.seconds_left(now_s) >= max(request.min_valid_s, CODEX_WINDOW_S)


def read_copy(path: str, source: str = "remote") -> Copy | None:
    """Return the copy in a file, or ``None`` where there is none to be relied on.

    Args:
        path: the file.
        source: which source keeps it, as its token says.
    """
    try:
        document: Any = loads(read_private(path, limit=_LIMIT))
    except (FetchTokenError, ValueError):
        return None
    if not isinstance(document, dict) or document.get("form") != _FORM or document.get("for") != _name(path):
        return None
    texts: dict[str, Any] = {key: document.get(key) for key in _TEXTS}
    expires_at, checked_at = _seconds(document.get("expires_at")), _seconds(document.get("checked_at"))
    if expires_at is None or checked_at is None:
        return None
    if not all(isinstance(text, str) for text in texts.values()) or not texts["access_token"]:
        return None
    token = Token(
        access_token=Secret(texts["access_token"]),
        id_token=Secret(texts["id_token"]) if texts["id_token"] else None,
        expires_at=int(expires_at),
        issued_at=Claims(decode_claims(texts["access_token"]) or {}).iat,
        account=texts["account"],
        account_id=texts["account_id"],
        plan_type=texts["plan_type"],
        source=source,
    )
    return Copy(token, texts["etag"], checked_at)


def write_copy(path: str, copy: Copy) -> None:
    """Write a copy, making the directory where there is none.

    Raises:
        OSError: it cannot be written, or the directory belongs to somebody else.
    """
    from fetchtoken.files.atomic import replace_file

    token = copy.token
    document = {
        "form": _FORM,
        "for": _name(path),
        "checked_at": copy.checked_at,
        "etag": copy.etag,
        "access_token": token.access_token.reveal(),
        "id_token": token.id_token.reveal() if token.id_token else "",
        "expires_at": token.expires_at,
        "account": token.account,
        "account_id": token.account_id,
        "plan_type": token.plan_type,
    }
    directory = os.path.dirname(path)
    os.makedirs(directory, mode=0o700, exist_ok=True)
    _make_private(directory)
    if os.path.islink(path):
        os.unlink(path)  # replace_file would follow it to wherever it leads
    replace_file(path, dumps(document).encode())


def forget(path: str) -> bool:
    """Delete a copy; return whether it is gone.

    A directory that cannot be written still has its file emptied where that is allowed.
    """
    try:
        os.unlink(path)
    except FileNotFoundError:
        return True
    except OSError:
        try:
            os.truncate(path, 0)
        except OSError:
            return False
    return True


def forget_all(settings: Settings, *, account: str = "", account_id: str = "") -> int:
    """Delete the copies of one account's tokens, wherever they came from; return how many went.

    Args:
        settings: name the directory.
        account: only copies under this name; with neither, all of them.
        account_id: only copies of this ``chatgpt_account_id``.
    """
    directory = os.path.dirname(copy_file(settings))
    count = 0
    for name in os.listdir(directory) if os.path.isdir(directory) else ():
        path = os.path.join(directory, name)
        copy = read_copy(path)
        if copy is None or account not in ("", copy.token.account):
            continue
        if account_id in ("", copy.token.account_id):
            count += forget(path)
    return count


def _seconds(value: Any) -> float | None:
    return value if type(value) in (int, float) and 0 <= value < 1e11 else None


def _name(path: str) -> str:
    return os.path.basename(path).removesuffix(".json")


def _make_private(directory: str) -> None:
    if os.name != "posix":
        return
    status = os.stat(directory)
    if status.st_uid != os.geteuid():
        raise PermissionError(1, "belongs to another user", directory)
    if status.st_mode & 0o077:
        os.chmod(directory, 0o700)
