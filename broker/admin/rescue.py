"""Operations by which a person decides over a refresh token: ``replay`` and ``export``."""

from typing import Any

from broker.admin.desk import Desk
from broker.admin.export import exported_document
from broker.admin.views import account_view
from broker.admin.wire import Actor
from broker.domain.account import State
from broker.domain.audit import Action
from broker.domain.records import Account
from broker.domain.trouble import EXPORTED, Kind, still_safe, trouble_of
from broker.refresh.explain import explain, in_flight
from fetchtoken.domain.errors import ConfigError, LoginRequired

__all__ = ["RescueOperations"]


class RescueOperations:
    """Replay a generation in doubt, hand a refresh token out.

    Args:
        desk: what they work with.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def account_replay(self, actor: Actor, name: str, *, yes: bool = False) -> dict[str, Any]:
        """Send the refresh token of an account in doubt once more, at the person's risk.

        Raises:
            ConfigError: it is not in doubt, or ``yes`` was not given; the message says what is at risk.
            LoginRequired: its one replay is used, or the issuer refused: the login is lost.
            Unavailable: its exchange still runs, or again no answer came.
        """
        desk = self._desk
        account = self._settled(name)
        if account.state is not State.IN_DOUBT:
            raise ConfigError(
                f"{name} is {account.state}, not in doubt: there is nothing to replay",
                hint=f"codex-broker account show {name}",
            )
        if account.replay_used:
            problem = explain(account, desk.clock())
            raise LoginRequired(problem.message, hint=problem.hint, code="login_required")
        if not yes:
            raise ConfigError(
                f"a replay sends the refresh token of {name} again; if its first sending had succeeded,"
                " the issuer ends the whole login, access token included;"
                f" as it is, {still_safe(account, desk.clock())}",
                hint=f"log in again, which risks nothing; or codex-broker account replay {name} --yes",
            )
        return account_view(await desk.coordinator.replay(account.id, peer=actor.peer))

    async def account_export(
        self, actor: Actor, name: str, *, with_refresh_token: bool = False
    ) -> dict[str, Any]:
        """Return an account's ``auth.json`` with its refresh token, and never renew it here again.

        Frozen and recorded before the secret leaves. Once more, it returns the same, so that an
        output that was lost loses no login.

        Raises:
            ConfigError: ``with_refresh_token`` was not given.
            LoginRequired: there is no good refresh token.
            Unavailable: an exchange is under way or in doubt, or its adoption is not finished.
        """
        desk = self._desk
        account = self._settled(name)
        if not with_refresh_token:
            raise ConfigError(
                f"an export hands out the refresh token of {name}; this broker then renews it no more,"
                " until a new login",
                hint=f"codex-broker account export {name} --with-refresh-token",
            )
        self._check_exportable(account)
        audit = desk.record(Action.ACCOUNT_EXPORTED, actor, account=name)
        frozen = await desk.store.freeze(account, EXPORTED, audit)
        if frozen is None:
            raise in_flight(name)
        desk.roster.put_account(frozen)
        await desk.marks.keep(frozen)
        return {
            "auth_json": exported_document(frozen, now_s=desk.clock()),
            "safe": still_safe(frozen, desk.clock()),
        }

    def _settled(self, name: str) -> Account:
        """Return an account that no exchange is under way for."""
        account = self._desk.account(name)
        if account.id in self._desk.coordinator.flying or account.state in (
            State.REFRESHING,
            State.REPLAYING,
        ):
            raise in_flight(name)
        return account

    def _check_exportable(self, account: Account) -> None:
        now_s = self._desk.clock()
        trouble = trouble_of(account, now_s)
        kind = trouble.kind if trouble else None
        if kind not in (None, Kind.EXPORTED, Kind.RESTORED) or account.adopting or not account.refresh_token:
            raise explain(account, now_s)
