"""Operations on invites: codes that let a machine make itself a client."""

import os
from typing import Any

from broker.admin.desk import Desk
from broker.admin.grants import account_ids, default_id, scopes_of
from broker.admin.views import invite_view
from broker.admin.wire import Actor
from broker.domain.apikey import new_key
from broker.domain.audit import Action
from broker.store.enrolment import invite
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
        view = invite_view(made, desk.account_names(), desk.clock())
        del view["state"]
        return {**view, "code": code.text.reveal(), **where, "replaced": replaced}
