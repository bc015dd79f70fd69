"""Operations that bring logins in: ``adopt`` in its two halves, and ``import``."""

from typing import Any

from broker.admin.desk import Desk
from broker.admin.intake import Intake, free_name, nickname, read_login, refuse_older
from broker.admin.views import account_view
from broker.admin.wire import Actor
from broker.domain.audit import Action
from broker.domain.records import Account, Held, Spent
from fetchtoken.domain.errors import ConfigError
from fetchtoken.domain.instants import to_rfc3339
from fetchtoken.domain.names import check_name

__all__ = ["AdoptionOperations"]


class AdoptionOperations:
    """Bring logins in.

    Args:
        desk: what they work with.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def account_adopt_begin(
        self, actor: Actor, document: str, path: str, name: str | None = None
    ) -> dict[str, Any]:
        """Store the login of a file, disabled, with a sealed copy of the file.

        Called again after a crash, with the file as it was or already access-only, it finds what
        the first call stored.

        Raises:
            ConfigError: an old copy, or somebody else's; the message names the account.
        """
        desk = self._desk
        intake = self._read(document, path, "adopt")
        held = self._same_user(intake)
        if not intake.auth.refresh_token:
            return self._resume(intake, held, path)
        stored = await self._stored_before(intake, held)
        if stored is None:
            stored = await self._store(intake, held, name, actor, adopting=True)
        # A crash before this line is made good by the next call, since the file is as it was.
        await desk.store.keep_adopted(stored, path, document)
        return account_view(stored)

    async def account_adopt_finish(self, actor: Actor, name: str) -> dict[str, Any]:
        """Use an adopted login, now that its file has lost the refresh token."""
        desk = self._desk
        account = desk.account(name)
        if not account.adopting:
            return account_view(account)
        audit = desk.record(Action.ACCOUNT_ADOPTED, actor, account=name, detail=account.source_path)
        adopted = await desk.store.set_flags(account.id, audit, adopting=False)
        desk.roster.put_account(adopted)
        return account_view(adopted)

    async def account_import(
        self,
        actor: Actor,
        documents: list[dict[str, str]],
        name: str | None = None,
        *,
        sole_owner: bool = False,
    ) -> list[dict[str, Any]]:
        """Copy logins in; all of them are read before the first is stored.

        Args:
            actor: who asks.
            documents: ``text`` and ``path`` of each file.
            name: for a single file.
            sole_owner: the person says that nothing else will use these logins.

        Raises:
            ConfigError: a live refresh token without ``sole_owner``, an old copy, a foreign login.
        """
        if name is not None and len(documents) > 1:
            raise ConfigError("--name fits one file, not several", hint="import them one by one")
        intakes = [self._read(item["text"], item["path"], "import") for item in documents]
        for intake in intakes:
            if intake.auth.refresh_token and not sole_owner:
                raise ConfigError(
                    f"{intake.auth.name} holds a live refresh token and would keep it",
                    hint=f"codex-broker account adopt {_file_of(intake)} takes it over; --sole-owner if"
                    " nothing else uses this login, not even codex login or codex logout",
                )
        imported = []
        for intake in intakes:
            held = self._same_user(intake)
            imported.append(account_view(await self._store(intake, held, name, actor, adopting=False)))
        return imported

    def _read(self, document: str, path: str, source: str) -> Intake:
        desk = self._desk
        return read_login(
            document,
            path,
            source=source,
            issuer=desk.issuer,
            now_s=desk.clock(),
            jitter=desk.chance(),
            part=desk.refresh_at,
        )

    def _same_user(self, intake: Intake) -> Account | None:
        same = (account for account in self._desk.roster.accounts() if account.identity == intake.identity)
        return next(same, None)

    async def _stored_before(self, intake: Intake, held: Account | None) -> Account | None:
        """Return the account that an interrupted adoption of this very login left."""
        if held is None or not held.adopting:
            return None
        known = await self._desk.store.find_fingerprint(intake.auth.refresh_token)
        return held if known == Held(held.name) else None

    async def _refuse_known(self, intake: Intake) -> None:
        """Raise where this refresh token is held, or was exchanged here."""
        if not intake.auth.refresh_token:
            return
        known, path = await self._desk.store.find_fingerprint(intake.auth.refresh_token), intake.auth.name
        if isinstance(known, Held):
            raise ConfigError(
                f"{path} is a copy: account {known.account} holds its refresh token",
                hint=f"delete {path}: whoever refreshes with it ends the login",
            )
        if isinstance(known, Spent):
            raise ConfigError(
                f"{path} is an old copy: account {known.account or '(removed)'} exchanged its refresh token"
                f" at {to_rfc3339(known.at)}",
                hint=f"delete {path}: whoever refreshes with it ends the login",
            )

    def _resume(self, intake: Intake, held: Account | None, path: str) -> dict[str, Any]:
        """Find the account of a file that is access-only already."""
        if held is None:
            raise ConfigError(
                f"{path} holds no refresh token, so there is nothing to take over",
                hint="codex-broker account login NAME",
            )
        if held.source_path == path and held.source == intake.login.source:
            return account_view(held)
        raise ConfigError(
            f"{path} holds no refresh token; account {held.name} holds a login of the same user",
            hint=f"codex-broker account show {held.name}",
        )

    async def _store(
        self, intake: Intake, held: Account | None, name: str | None, actor: Actor, *, adopting: bool
    ) -> Account:
        desk, path = self._desk, intake.login.source_path
        if name is not None:
            check_name(name, "account")
        await self._refuse_known(intake)
        if held is None:
            taken = {account.name for account in desk.roster.accounts()}
            email, account_id = intake.login.tokens.email, intake.login.tokens.account_id
            chosen = name or free_name(nickname(email, account_id), taken)
            action = Action.ACCOUNT_ADOPTING if adopting else Action.ACCOUNT_ADDED
            audit = desk.record(action, actor, account=chosen, detail=path)
            stored = await desk.store.add_account(chosen, intake.login, audit, adopting=adopting)
        else:
            if name not in (None, held.name):
                raise ConfigError(
                    f"{path} belongs to the same user as account {held.name}",
                    hint=f"leave --name out, or codex-broker account rename {held.name} {name}",
                )
            refuse_older(intake, held, path)
            audit = desk.record(Action.ACCOUNT_LOGIN, actor, account=held.name, detail=path)
            stored = await desk.store.replace_login(held.id, intake.login, audit, adopting=adopting)
            await desk.marks.gone(held)
        desk.roster.put_account(stored)
        await desk.marks.keep(stored)
        return stored


def _file_of(intake: Intake) -> str:
    """Return the file to name in a command; what came by standard input has none."""
    return intake.auth.name if intake.auth.name.startswith("/") else "FILE"
