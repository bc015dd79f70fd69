"""A command's end of ``admin.sock``."""

import json
import socket
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from broker.admin.local import address_of
from broker.admin.wire import PATH, from_problem
from fetchtoken.domain.errors import Malformed, Unavailable, Unsafe

__all__ = ["SocketCaller"]

_PATIENCE_S = 180.0
"""Longer than nearly any operation: a forced refresh of every account waits for the issuer."""

_LONGER_S = {"backup_write": 4 * 3600.0}
"""What grows with the store."""


class _UnixConnection(HTTPConnection):
    def __init__(self, path: Path, patience_s: float = _PATIENCE_S) -> None:
        super().__init__("localhost", timeout=patience_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.sock.settimeout(self.timeout)
        with address_of(self._path) as address:
            self.sock.connect(address)


class SocketCaller:
    """Calls operations of the running daemon.

    Args:
        path: its ``admin.sock``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def is_listening(self) -> bool:
        """Tell whether a daemon listens.

        Raises:
            Unsafe: the caller may not reach the socket.
        """
        connection = _UnixConnection(self._path)
        try:
            connection.connect()
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            return False
        except PermissionError:
            raise Unsafe(
                f"{self._path} belongs to another user", hint="run as its owner or as root"
            ) from None
        finally:
            connection.close()
        return True

    def __call__(self, operation: str, /, **params: Any) -> Any:
        """Do the operation and return its JSON value.

        Raises:
            Unavailable: the daemon went away before it answered.
            FetchTokenError: what the operation itself raised.
        """
        connection = _UnixConnection(self._path, _LONGER_S.get(operation, _PATIENCE_S))
        try:
            body = json.dumps(params).encode()
            connection.request("POST", PATH + operation, body, {"Content-Type": "application/json"})
            document = json.loads(connection.getresponse().read())
            if not isinstance(document, dict):
                raise ValueError  # noqa: TRY301, TRY004 - as little an answer as text that is no JSON
        except (OSError, HTTPException):
            raise Unavailable(
                f"the broker at {self._path} went away before it answered",
                hint="run the command again: what was done is not done twice",
            ) from None
        except ValueError:
            raise Malformed(
                f"the broker at {self._path} answered something else than JSON",
                hint="command and daemon are of different versions: restart the daemon",
            ) from None
        finally:
            connection.close()
        if "result" in document:
            return document["result"]
        raise from_problem(document)
