"""Operations by which ``check`` looks at what only the holder of the home can open."""

import asyncio
from pathlib import Path

from broker.admin.desk import Desk
from broker.admin.wire import Actor
from broker.seal.keyfile import load_keyring
from fetchtoken.domain.errors import Unsafe

__all__ = ["CheckOperations"]


class CheckOperations:
    """Look at store and journal.

    Args:
        desk: what they work with.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def check_store(self, actor: Actor) -> str:  # noqa: ARG002 - all operations take one
        """Return what the store holds.

        Raises:
            Unsafe: a sealed record does not open.
            Unavailable: the database does not answer.
        """
        snapshot = await self._desk.store.snapshot()
        closed = [account.name for account in snapshot.accounts if account.sealed]
        if closed:
            raise Unsafe(
                f"the tokens of {', '.join(closed)} do not open with the master keys here",
                hint="bring back the key file that they were sealed with",
            )
        return f"{len(snapshot.accounts)} accounts, {len(snapshot.clients)} clients, all sealed records open"

    async def check_keys(self, actor: Actor) -> str:  # noqa: ARG002 - same
        """Return which master keys the file holds that this process works with.

        Raises:
            NotFound: it has gone.
            Unsafe: others can read it, or a key in it is damaged.
            Malformed: it is no key file.
        """
        # Of a service it may be a credential, which nobody but the service sees.
        path = Path(self._desk.store.keys.seal.keys.source)
        return (await asyncio.to_thread(load_keyring, path)).told()

    async def check_journal(self, actor: Actor) -> str:  # noqa: ARG002 - same
        """Return how many attempts are not settled.

        Raises:
            Unsafe: no attempt file can be made, so nothing can be exchanged.
        """
        journals = self._desk.journals
        try:
            await asyncio.to_thread(journals.check)
        except OSError as error:
            raise Unsafe(
                f"the journal cannot be written: {error.strerror}",
                hint="nothing is exchanged until it can: free or mend the disk",
            ) from None
        return f"writable, {len(await asyncio.to_thread(journals.attempts))} unsettled attempts"

    async def check_life(self, actor: Actor) -> str:  # noqa: ARG002 - same
        """Return how many logins the high-water mark covers.

        Raises:
            Unsafe: the home cannot write down what tells a copy of it, or of its store, from itself.
        """
        if error := self._desk.life.error:
            raise Unsafe(
                f"the high-water mark or marker cannot be written: {error}",
                hint="nothing is exchanged until it can: free or mend the disk, then restart the broker",
            )
        return f"its own, the high-water mark covers {len(self._desk.marks.marks)} logins"

    async def check_tls(self, actor: Actor) -> str:  # noqa: ARG002 - same
        """Return what the certificate says with which https is served here, or that it is not.

        Raises:
            ConfigError: its files are missing, something else or no pair, or it is for another host.
            Unsafe: others can read the key.
            Unavailable: it has expired, or will within days.
        """
        keeper = self._desk.tls
        if keeper is None:
            return "off: only this machine, or the proxy in front, connects"
        certificate = await asyncio.to_thread(keeper.certificate)
        now_s = self._desk.clock()
        if keeper.problem is not None:
            kind, why = type(keeper.problem), keeper.problem.message
            raise kind(f"{why}; served on: {certificate.told(now_s)}", hint=keeper.problem.hint)
        if problem := certificate.problem(now_s, self._desk.public_host):
            raise problem
        return certificate.told(now_s)
