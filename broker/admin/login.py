"""Operations of ``account login``: what the command must know before, and taking the login in."""

from dataclasses import replace
from typing import Any

from broker.admin.desk import Desk
from broker.admin.intake import Terms, read_logins
from broker.admin.views import account_view
from broker.admin.wire import Actor
from broker.domain.audit import Action
from broker.domain.records import Account, NewLogin
from fetchtoken.domain.errors import ConfigError
from fetchtoken.domain.names import check_name
from fetchtoken.oauth.messages import OAUTH_CLIENT_ID

__all__ = ["LoginOperations"]


class LoginOperations:
    """Log in for an account, new or held.

    Args:
        desk: what they work with.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def account_login_begin(self, actor: Actor, name: str) -> dict[str, Any]:  # noqa: ARG002 - all take one
        """Return where to log in, and whose account it is, if there is one of that name.

        Raises:
            ConfigError: no account can be called so.
        """
        check_name(name, "account")
        held = self._desk.roster.account(name)
        return {
            "issuer": self._desk.issuer,
            "client_id": OAUTH_CLIENT_ID,
            "email": held.email if held is not None else None,
        }

    async def account_login_finish(self, actor: Actor, name: str, document: str) -> dict[str, Any]:
        """Store a login that the issuer has just given; what it replaces is neither sent nor revoked.

        Called again with the same login, after an answer that was lost, it does nothing more.

        Args:
            actor: who asks.
            name: the account's name.
            document: the login as an auth file.

        Raises:
            ConfigError: it is somebody else's; the message names both.
        """
        desk = self._desk
        check_name(name, "account")
        terms = Terms(
            source="login",
            issuer=desk.issuer,
            now_s=desk.clock(),
            jitter=desk.chance(),
            part=desk.refresh_at,
        )
        (intake,) = read_logins(document, "the new login", terms)
        # Perhaps exchanged or renamed since: a refusal would have the command end what is held.
        known = await desk.store.find_fingerprint(intake.file.refresh_token)
        if known is not None and known.account:
            return account_view(desk.account(known.account))
        held, login = desk.roster.account(name), replace(intake.login, source_path="")
        stored = await self._store(name, held, login, actor)
        desk.roster.put_account(stored)
        await desk.marks.keep(stored)
        desk.coordinator.follow_file(stored)
        return account_view(stored)

    async def _store(self, name: str, held: Account | None, login: NewLogin, actor: Actor) -> Account:
        desk = self._desk
        if held is None:
            self._refuse_namesake(login)
            audit = desk.record(Action.ACCOUNT_ADDED, actor, account=name, detail="login")
            return await desk.store.add_account(name, login, audit, adopting=False)
        _refuse_stranger(held, login)
        if held.source == "adopt":
            # The file that it left access-only is still kept fresh from here.
            login = replace(login, source=held.source, source_path=held.source_path)
        audit = desk.record(Action.ACCOUNT_LOGIN, actor, account=name, detail="login")
        stored = await desk.store.replace_login(held.id, login, audit, adopting=False)
        await desk.marks.gone(held)
        return stored

    def _refuse_namesake(self, login: NewLogin) -> None:
        """Raise where the same user is held under another name."""
        whose = (login.tokens.account_id, login.tokens.user_id)
        for account in self._desk.roster.accounts():
            if account.identity == whose:
                raise ConfigError(
                    f"{login.tokens.email or whose[0]} is held already, as account {account.name}",
                    hint=f"codex-broker account login {account.name}",
                    code="identity_mismatch",
                )


def _refuse_stranger(held: Account, login: NewLogin) -> None:
    """Raise where the login is another user's than the account."""
    came = (login.tokens.account_id, login.tokens.user_id)
    pairs = zip(held.identity, came, strict=True)
    if any(known and new and known != new for known, new in pairs):
        raise ConfigError(
            f"this login is {login.tokens.email or came[0]}'s, and account {held.name} is"
            f" {held.email or held.account_id}'s",
            hint=f"log in as {held.email or 'the same user'}, or give the account another name",
            code="identity_mismatch",
        )
