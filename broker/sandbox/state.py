"""The file that lets a restarted sandbox know its logins; fingerprints, no tokens."""

import json
import os

from broker.sandbox.logins import Logins
from fetchtoken.domain.errors import Malformed, NotFound
from fetchtoken.files.atomic import replace_file
from fetchtoken.files.guard import read_private

__all__ = ["StateFile"]

_LIMIT = 256 << 20


class StateFile:
    """Where the logins are kept.

    Args:
        path: the file, existing or not; ``None`` keeps nothing.
    """

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self._path = None if path is None else os.fspath(path)

    def load(self) -> Logins:
        """Return what was kept, or nothing known.

        Raises:
            Malformed: the file holds something else.
            Unsafe: others can read it.
        """
        if self._path is None:
            return Logins()
        try:
            text = read_private(self._path, limit=_LIMIT)
        except NotFound:
            return Logins()
        try:
            return Logins.from_document(json.loads(text)["logins"])
        except (KeyError, TypeError, ValueError):
            raise Malformed(
                f"{self._path} is no state of a sandbox issuer", hint=f"rm {self._path}"
            ) from None

    def save(self, logins: Logins) -> None:
        """Make the logins durable before it returns.

        Raises:
            OSError: the old state stands.
        """
        if self._path is not None:
            replace_file(self._path, json.dumps({"logins": logins.to_document()}).encode())
