"""Operations on accounts that are already held."""

import asyncio
from typing import Any

from broker.admin.desk import Desk
from broker.admin.views import account_detail, account_view
from broker.admin.wire import Actor, to_problem
from broker.domain.account import State
from broker.domain.audit import Action
from broker.domain.records import Account
from broker.domain.trouble import trouble_of
from broker.issuer.revoke import revoke_login
from fetchtoken.domain.errors import ConfigError, FetchTokenError, Unavailable
from fetchtoken.domain.names import check_name

__all__ = ["AccountOperations"]


class AccountOperations:
    """List, show, refresh, rename, disable, enable, remove.

    Args:
        desk: what they work with.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def accounts_list(self, actor: Actor) -> list[dict[str, Any]]:  # noqa: ARG002 - all take one
        """Return every account."""
        return [account_view(account) for account in self._desk.roster.accounts()]

    async def accounts_troubles(self, actor: Actor) -> list[dict[str, Any]]:  # noqa: ARG002 - same
        """Return what is wrong with each account that waits for a person."""
        now_s = self._desk.clock()
        told = ((account, trouble_of(account, now_s)) for account in self._desk.roster.accounts())
        return [{"account": account.name, "problem": trouble.what} for account, trouble in told if trouble]

    async def account_show(self, actor: Actor, name: str) -> dict[str, Any]:  # noqa: ARG002 - same
        """Return one account with its last error, its trouble, and what came too late for it."""
        account = self._desk.account(name)
        late = [answer for answer in await self._desk.store.late_answers() if answer.account == account.id]
        return account_detail(account, late, self._desk.clock())

    async def account_refresh(
        self,
        actor: Actor,  # noqa: ARG002 - the attempt's own record names nobody
        name: str | None = None,
        *,
        force: bool = False,
    ) -> list[dict[str, Any]]:
        """Exchange one account, or all where no name is given, as far as they are due or forced.

        Returns:
            For each account its ``outcome``, or the ``problem`` document that says why there is none.

        Raises:
            FetchTokenError: where one account is named, its problem.
        """
        if name is not None:
            return [await self._refresh(self._desk.account(name), force=force)]
        accounts = self._desk.roster.accounts()
        return await asyncio.gather(*(self._refresh_or_tell(account, force=force) for account in accounts))

    async def _refresh_or_tell(self, account: Account, *, force: bool) -> dict[str, Any]:
        try:
            return await self._refresh(account, force=force)
        except FetchTokenError as error:
            return {"account": account.name, "problem": to_problem(error)}

    async def _refresh(self, account: Account, *, force: bool) -> dict[str, Any]:
        if account.disabled:
            return {"account": account.name, "outcome": "disabled, left alone"}
        renewed = await self._desk.coordinator.refresh(account.id, force=force)
        changed = (renewed.login_id, renewed.generation) != (account.login_id, account.generation)
        return {"account": account.name, "outcome": "refreshed" if changed else "not due yet"}

    async def account_rename(self, actor: Actor, name: str, new_name: str) -> dict[str, Any]:
        """Give an account another name."""
        desk = self._desk
        check_name(new_name, "account")
        audit = desk.record(Action.ACCOUNT_RENAMED, actor, account=new_name, detail=f"was {name}")
        return self._took(await desk.store.set_flags(desk.account(name).id, audit, name=new_name))

    async def account_disable(self, actor: Actor, name: str) -> dict[str, Any]:
        """Stop serving and refreshing an account."""
        desk = self._desk
        audit = desk.record(Action.ACCOUNT_DISABLED, actor, account=name)
        return self._took(await desk.store.set_flags(desk.account(name).id, audit, disabled=True))

    async def account_enable(self, actor: Actor, name: str) -> dict[str, Any]:
        """Serve and refresh an account again.

        Raises:
            ConfigError: its file still holds the refresh token.
        """
        desk = self._desk
        account = desk.account(name)
        if account.adopting:
            raise ConfigError(
                f"{name} is not adopted to the end: {account.source_path} may still hold its refresh token",
                hint=f"codex-broker account adopt {account.source_path}",
            )
        audit = desk.record(Action.ACCOUNT_ENABLED, actor, account=name)
        return self._took(await desk.store.set_flags(account.id, audit, disabled=False))

    async def account_remove(self, actor: Actor, name: str, *, revoke: bool = False) -> dict[str, Any]:
        """Forget an account; with ``revoke`` the issuer is told first.

        Raises:
            Unavailable: an exchange is under way, or the issuer did not confirm; nothing is removed.
        """
        desk = self._desk
        account = desk.account(name)
        if account.id in desk.coordinator.flying or account.state in (State.REFRESHING, State.REPLAYING):
            raise Unavailable(f"{name} is being refreshed right now", hint="try again in a minute")
        if revoke:
            await revoke_login(account)
        detail = "revoked at the issuer" if revoke else ""
        audit = desk.record(Action.ACCOUNT_REMOVED, actor, account=name, detail=detail)
        await desk.store.remove_account(account.id, audit)
        desk.roster.drop_account(account.id)
        await desk.marks.gone(account)
        return account_view(account)

    def _took(self, account: Account) -> dict[str, Any]:
        self._desk.roster.put_account(account)
        return account_view(account)
