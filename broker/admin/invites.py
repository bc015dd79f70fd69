"""Operations on invites: codes that let a machine make itself a client, or log in as one that is there."""

import os
from typing import Any

from broker.admin.desk import Desk
from broker.admin.grants import account_ids, default_id, scopes_of
from broker.admin.views import invite_view
from broker.admin.wire import Actor
from broker.domain.apikey import ApiKey, new_key
from broker.domain.audit import Action
from broker.domain.client import is_live
from broker.domain.invite import Invite
from broker.store.enrolment import invite
from fetchtoken.domain.errors import ConfigError
from fetchtoken.domain.names import check_name

__all__ = ["InviteOperations"]


class InviteOperations:
    """Invite. What waits is listed and ended beside the clients.

    Args:
        desk: what they work with.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def invite_add(  # noqa: PLR0913 - an operation's parameters, named at the call
        self,
        actor: Actor,
        *,
        name: str,
        accounts: list[str],
        scopes: list[str],
        expires_s: float,
        default: str | None = None,
    ) -> dict[str, Any]:
        """Make a code; it is in the answer and nowhere else.

        Raises:
            ConfigError: no such name or scope, a name that is taken, a default that is not granted, or
                nobody knows where to join.
            NotFound: no such account.
        """
        desk = self._desk
        check_name(name, "client")
        where = {"url": desk.reach.url(), "local": desk.reach.is_local, "ca_sha256": desk.reach.pin() or None}
        granted = account_ids(desk, accounts)
        code = new_key("cbi", os.urandom)
        made, replaced = await invite(
            desk.store,
            name,
            code,
            desk.record(Action.INVITE_MADE, actor, client=name, detail=",".join(accounts)),
            accounts=granted,
            default_account=default_id(desk, default, granted),
            scopes=scopes_of(scopes),
            expires_at=desk.clock() + expires_s,
        )
        return self._shown(made, code) | {**where, "replaced": replaced}

    async def invite_device(
        self, actor: Actor, *, name: str, accounts: list[str], expires_s: float
    ) -> dict[str, Any]:
        """Make a code that approves one device login for a client that is there; it is in the answer only.

        Args:
            actor: who asks.
            name: of the client.
            accounts: those of its accounts that may be picked; none for all.
            expires_s: the code's life.

        Raises:
            ConfigError: the client does not count any more, may not read tokens or not of these accounts,
                or there is no device login here.
            NotFound: no such client or account.
        """
        desk = self._desk
        where, client = {"url": desk.reach.login_url()}, desk.client(name)
        granted = account_ids(desk, accounts) or client.accounts
        if not is_live(client, desk.clock()):
            raise ConfigError(f"{name} is revoked or has expired", hint="codex-broker client list")
        if "token" not in client.scopes:
            raise ConfigError(f"{name} may not read tokens", hint="make a client that has scope token")
        if not granted or not granted <= client.accounts:
            named = desk.account_names()
            lacking = ", ".join(sorted(named[one] for one in granted - client.accounts)) or "any account"
            raise ConfigError(
                f"{name} has no grant for {lacking}", hint=f"codex-broker client grant {name} ACCOUNT"
            )
        code = new_key("cbi", os.urandom)
        detail = "for a device login, " + ",".join(accounts or ["all its accounts"])
        made, replaced = await invite(
            desk.store,
            name,
            code,
            desk.record(Action.INVITE_MADE, actor, client=name, detail=detail),
            accounts=granted,
            default_account=None,
            scopes={"token"},
            expires_at=desk.clock() + expires_s,
            device=True,
        )
        return self._shown(made, code) | {**where, "replaced": replaced}

    def _shown(self, made: Invite, code: ApiKey) -> dict[str, Any]:
        view = invite_view(made, self._desk.account_names(), self._desk.clock())
        del view["state"]
        return view | {"code": code.text.reveal()}
