"""Operations by which ``check`` tells of accounts: one finding each, however many are affected."""

import asyncio
from collections.abc import Iterable

from broker.admin.desk import Desk
from broker.admin.wire import Actor
from broker.domain.records import Account
from broker.domain.trouble import Kind, trouble_of
from broker.refresh.adopted import FileState, is_adopted, look_at
from fetchtoken.domain.errors import ConfigError, FetchTokenError, LoginRequired, Unavailable
from fetchtoken.domain.instants import to_rfc3339

__all__ = ["AccountCheckOperations"]

_MOST_NAMED = 20


class AccountCheckOperations:
    """Look at doubts, logins, late answers and adopted files.

    Args:
        desk: what they work with.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def check_doubts(self, actor: Actor) -> str:  # noqa: ARG002 - all operations take one
        """Return that no account is in doubt.

        Raises:
            Unavailable: some are; all in one message.
        """
        doubted = self._having(frozenset({Kind.IN_DOUBT}))
        if not doubted:
            return "no account is in doubt"
        what, todo = self._told(doubted, "in doubt")
        raise Unavailable(what, hint=todo)

    async def check_logins(self, actor: Actor) -> str:  # noqa: ARG002 - same
        """Return that no account waits for a person.

        Raises:
            LoginRequired: some do; all in one message.
        """
        waiting = self._having(frozenset(Kind) - {Kind.IN_DOUBT})
        if not waiting:
            return "no account waits for a login"
        what, todo = self._told(waiting, "waiting for a person")
        raise LoginRequired(what, hint=todo)

    async def check_late(self, actor: Actor) -> str:  # noqa: ARG002 - same
        """Return which token answers came too late and lie sealed."""
        names = self._desk.account_names()
        late = [
            f"{names.get(answer.account, '(removed)')} generation {answer.generation} at"
            f" {to_rfc3339(answer.at)}"
            for answer in await self._desk.store.late_answers()
        ]
        return f"{len(late)} kept sealed: {_listed(late)}" if late else "no answer came too late"

    async def check_files(self, actor: Actor) -> str:  # noqa: ARG002 - same
        """Return how many adopted files lie here and hold the token in force.

        Raises:
            ConfigError: one holds a refresh token again.
            Unavailable: one could not be rewritten.
        """
        current = 0
        for account in self._desk.roster.accounts():
            if not is_adopted(account):
                continue
            path = account.source_path
            try:
                state = await asyncio.to_thread(look_at, account)
            except FetchTokenError as error:
                raise Unavailable(f"{path} of {account.name}: {error.message}", hint=error.hint) from None
            if state is FileState.LOGIN:
                raise ConfigError(
                    f"{path} holds a refresh token of {account.name} again: a login that nobody renews here",
                    hint=f"codex-broker account adopt {path}",
                )
            if state is FileState.BEHIND:
                raise Unavailable(
                    f"{path} holds an old access token of {account.name}, it could not be rewritten",
                    hint=f"make {path} and its directory writable, then restart the broker",
                )
            current += state is FileState.CURRENT
        return f"{current} adopted, with the token in force" if current else "no adopted file lies here"

    def _having(self, kinds: frozenset[Kind]) -> list[Account]:
        now_s = self._desk.clock()
        return [
            account
            for account in self._desk.roster.accounts()
            if (trouble := trouble_of(account, now_s)) is not None and trouble.kind in kinds
        ]

    def _told(self, accounts: list[Account], what: str) -> tuple[str, str]:
        """Return message and hint: in full for one account, a list for several."""
        now_s = self._desk.clock()
        if len(accounts) == 1 and (trouble := trouble_of(accounts[0], now_s)) is not None:
            return f"{accounts[0].name} {trouble.what}; {trouble.safe}", trouble.todo
        kinds = {_kind(account, now_s) for account in accounts}
        words = [f"{account.name} ({_kind(account, now_s)})" for account in accounts]
        hint = f"codex-broker account show {accounts[0].name} tells what is safe and what to do; each alike"
        if kinds == {Kind.RESTORED}:
            hint = (
                "if nothing has used these logins since: codex-broker account refresh --all --force; else "
                + hint
            )
        return f"{len(accounts)} accounts {what}: {_listed(words)}", hint


def _kind(account: Account, now_s: float) -> str:
    trouble = trouble_of(account, now_s)
    return "" if trouble is None else trouble.kind.replace("_", " ")


def _listed(words: Iterable[str]) -> str:
    known = list(words)
    more = len(known) - _MOST_NAMED
    return ", ".join(known[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
