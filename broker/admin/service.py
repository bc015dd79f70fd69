"""The one service behind the administrative commands, in the daemon and without one."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from broker.admin.accountchecks import AccountCheckOperations
from broker.admin.accounts import AccountOperations
from broker.admin.adoption import AdoptionOperations
from broker.admin.audit import AuditOperations
from broker.admin.backup import BackupOperations
from broker.admin.checks import CheckOperations
from broker.admin.clients import ClientOperations
from broker.admin.desk import Desk
from broker.admin.frontdoor import FrontDoorOperations
from broker.admin.invites import InviteOperations
from broker.admin.keys import KeyOperations
from broker.admin.login import LoginOperations
from broker.admin.rescue import RescueOperations
from broker.admin.wire import Actor
from fetchtoken.domain.errors import ConfigError

__all__ = ["AdminService"]

_MAY_LAST = frozenset(
    {"account_refresh", "account_replay", "audit_list", "audit_verify", "audit_export", "backup_write"}
)
"""They wait for the issuer, or read much, and change nothing by themselves: none must hold up the others."""


class AdminService:
    """Every operation by its name.

    Args:
        desk: what the operations work with.
    """

    def __init__(self, desk: Desk) -> None:
        self._operations: dict[str, Callable[..., Awaitable[Any]]] = {}
        groups = (
            AccountOperations,
            AdoptionOperations,
            LoginOperations,
            RescueOperations,
            ClientOperations,
            InviteOperations,
            AuditOperations,
            BackupOperations,
            CheckOperations,
            AccountCheckOperations,
            KeyOperations,
            FrontDoorOperations,
        )
        for group in (kind(desk) for kind in groups):
            for name, operation in inspect.getmembers(group, inspect.ismethod):
                if not name.startswith("_"):
                    self._operations[name] = operation
        self._turn = asyncio.Lock()

    async def call(self, operation: str, params: dict[str, Any], actor: Actor) -> Any:
        """Do one operation and return a JSON value; one at a time where it writes.

        Raises:
            ConfigError: no such operation, or not with these parameters.
            FetchTokenError: what the operation raises.
        """
        found = self._operations.get(operation)
        if found is None:
            raise ConfigError(
                f"this broker knows no operation {operation[:40]!r}",
                hint="command and daemon are of different versions: restart the daemon",
            )
        try:
            inspect.signature(found).bind(actor, **params)
        except TypeError as error:
            raise ConfigError(f"{operation}: {error}", hint="restart the daemon with this version") from None
        if operation in _MAY_LAST:
            return await found(actor, **params)
        async with self._turn:
            return await found(actor, **params)
