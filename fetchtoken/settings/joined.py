"""What ``join`` keeps: an API key for each origin, a nonce until there is an answer, pinned certificates."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from fetchtoken.domain.errors import FetchTokenError, Unsafe
from fetchtoken.files.atomic import replace_file
from fetchtoken.files.guard import read_private
from fetchtoken.files.lock import open_locked
from fetchtoken.settings.apikey import IN_KEYRING, KEYRING_SERVICE, joined_file

__all__ = ["Keep"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from fetchtoken.domain.secret import Secret

_NONCE = ".nonce"
_NONCES_LAST_S = 86_400
"""No broker tells a key again after ten minutes; a day leaves room for clocks."""


class Keep:
    """The directory ``keys`` beside the user's settings, 0700; within ``with`` nobody else writes it.

    Args:
        user: the directory of the user's own settings.
        deadline_s: when to give up waiting for another ``join``, on the monotonic clock.

    Raises:
        Unsafe: it cannot be made, written or made private.
        Unavailable: another ``join`` does not end.
    """

    def __init__(self, user: str, deadline_s: float) -> None:
        self._user = user
        self._directory = os.path.dirname(joined_file(user, ""))
        self._deadline_s = deadline_s
        self._lock = -1

    def __enter__(self) -> Self:
        with _explained(self._directory):
            os.makedirs(self._directory, mode=0o700, exist_ok=True)
            if os.name == "posix":
                status = os.stat(self._directory)
                if status.st_uid != os.geteuid():
                    raise Unsafe(
                        f"{self._directory} belongs to user {status.st_uid}", hint=f"ls -ld {self._directory}"
                    )
                os.chmod(self._directory, 0o700)
                self._lock = open_locked(f"{self._directory}/.lock", self._deadline_s)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock >= 0:
            os.close(self._lock)

    def nonce(self, origin: str, code: Secret) -> str:
        """Return what goes along with a code: chosen by chance, durable, the same until :meth:`forget`.

        With it a broker whose answer was lost tells the same machine the same again.
        """
        path = self._nonce_file(origin, code)
        try:
            held = read_private(path).strip()
        except FetchTokenError:
            held = ""
        if len(held) == 64 and held.isalnum() and held.isascii():
            return held
        made = os.urandom(32).hex()
        with _explained(path):
            self._sweep()
            replace_file(path, made.encode() + b"\n")
        return made

    def forget(self, origin: str, code: Secret) -> None:
        """Forget the nonce of a code, whose answer is durable."""
        with _explained(self._directory), suppress(FileNotFoundError):
            os.unlink(self._nonce_file(origin, code))

    def store_key(self, origin: str, key: Secret) -> str:
        """Keep the key of an origin, in the keyring where one can be used; return where it is."""
        path = joined_file(self._user, origin)
        in_keyring = _into_keyring(origin, key)
        with _explained(path):
            replace_file(path, (IN_KEYRING if in_keyring else key.reveal()).encode() + b"\n")
        return "the keyring" if in_keyring else path

    def store_certificate(self, pem: str, pin: str) -> str:
        """Keep a certificate under its own hash; return the file."""
        path = f"{self._directory}/ca-{pin[:32]}.pem"
        with _explained(path):
            replace_file(path, pem.encode())
        return path

    def is_ours(self, path: str) -> bool:
        """Tell whether a file is a certificate that ``join`` kept."""
        return path.startswith(f"{self._directory}/ca-")

    def _nonce_file(self, origin: str, code: Secret) -> str:
        return joined_file(self._user, f"{origin}\n{code.reveal()}") + _NONCE

    def _sweep(self) -> None:
        """Remove the nonces of codes whose answer nobody will ask for again."""
        for entry in os.scandir(self._directory):
            if entry.name.endswith(_NONCE) and time.time() - entry.stat().st_mtime > _NONCES_LAST_S:
                os.unlink(entry.path)


def _into_keyring(origin: str, key: Secret) -> bool:
    """Tell whether the key is in the system's keyring now; where that fails in any way a file will do."""
    try:
        import keyring
    except ImportError:
        return False
    try:
        keyring.set_password(KEYRING_SERVICE, origin, key.reveal())
        return keyring.get_password(KEYRING_SERVICE, origin) == key.reveal()
    except Exception:  # noqa: BLE001 - backends raise what the libraries below them raise
        return False


@contextmanager
def _explained(path: str) -> Iterator[None]:
    """Turn the system's word on a file into an error that names it."""
    try:
        yield
    except OSError as error:
        raise Unsafe(
            f"{error.filename or path} cannot be written: {error.strerror}",
            hint=f"ls -ld {os.path.dirname(path)}",
        ) from None
