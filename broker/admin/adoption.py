"""Operations that bring logins in: ``adopt`` in its two halves, and ``import``."""

from typing import Any

from broker.admin.desk import Desk
from broker.admin.intake import Intake, Terms, free_name, nickname, read_logins, refuse_older
from broker.admin.views import account_view
from broker.admin.wire import Actor
from broker.domain.audit import Action
from broker.domain.records import Account, Held, Spent
from fetchtoken.domain.errors import ConfigError
from fetchtoken.domain.instants import to_rfc3339
from fetchtoken.domain.names import check_name, is_name
from fetchtoken.formats import codex_login
from fetchtoken.formats.choose import choose
from fetchtoken.formats.detect import FORMATS
from fetchtoken.formats.login import Login
from fetchtoken.formats.places import tool_at
from fetchtoken.logins.neutralise import refuse_kept

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
        intake = self._read_one(document, path)
        held = self._same_user(intake)
        if not intake.file.refresh_token:
            return self._resume(intake, held, path)
        stored = await self._stored_before(intake, held)
        if stored is None:
            stored = await self._store(intake, held, actor, name=name, adopting=True)
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
            documents: ``text`` and ``path`` of each file, any tool's; ``pending``, ``nickname`` and
                ``disabled`` where only what lies around it says so.
            name: for a single login.
            sole_owner: the person says that nothing else will use these logins.

        Returns:
            One account for each user: of several copies of a login the newest came in.

        Raises:
            ConfigError: a live refresh token without ``sole_owner``, an old copy, a foreign login.
        """
        intakes = {id(intake.file): intake for item in documents for intake in self._read(item)}
        chosen = [intakes[id(group.login)] for group in choose(intake.file for intake in intakes.values())]
        if name is not None and len(chosen) > 1:
            raise ConfigError("--name fits one file, not several", hint="import them one by one")
        for intake in intakes.values():
            if intake.file.refresh_token and not sole_owner:
                raise ConfigError(
                    f"{intake.file.where} holds a live refresh token and would keep it",
                    hint=sole_owner_hint(intake.file, intake.login.source_path),
                )
        imported = []
        for intake in chosen:
            held = self._same_user(intake)
            imported.append(account_view(await self._store(intake, held, actor, name=name, adopting=False)))
        return imported

    def _read(self, item: dict[str, str]) -> list[Intake]:
        """Return the logins of one file that is to be imported, with what its place says of them."""
        found = read_logins(item["text"], item["path"], self._terms("import"), pending=item.get("pending"))
        for intake in found:
            intake.file.nickname = item.get("nickname") or intake.file.nickname
            intake.file.disabled = intake.file.disabled or item.get("disabled") == "yes"
        return found

    def _read_one(self, document: str, path: str) -> Intake:
        """Return the login of a file that is to be adopted.

        Raises:
            ConfigError: its tool could not go on with an access-only file.
        """
        found = read_logins(document, path, self._terms("adopt"))
        refuse_kept(
            FORMATS[found[0].file.form], path, instead=f"codex-broker account import {path} --sole-owner"
        )
        return found[0]

    def _terms(self, source: str) -> Terms:
        desk = self._desk
        return Terms(
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
        known = await self._desk.store.find_fingerprint(intake.file.refresh_token)
        return held if known == Held(held.name) else None

    async def _refuse_known(self, intake: Intake) -> None:
        """Raise where this refresh token is held, or was exchanged here."""
        if not intake.file.refresh_token:
            return
        known, path = await self._desk.store.find_fingerprint(intake.file.refresh_token), intake.file.where
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
        self, intake: Intake, held: Account | None, actor: Actor, *, name: str | None, adopting: bool
    ) -> Account:
        desk, path = self._desk, intake.login.source_path
        if name is not None:
            check_name(name, "account")
        await self._refuse_known(intake)
        if held is None:
            taken = {account.name for account in desk.roster.accounts()}
            email, account_id = intake.login.tokens.email, intake.login.tokens.account_id
            own = intake.file.nickname if intake.file.nickname not in taken else ""
            own = own if is_name(own) else ""
            chosen = name or own or free_name(nickname(email, account_id), taken)
            action = Action.ACCOUNT_ADOPTING if adopting else Action.ACCOUNT_ADDED
            audit = desk.record(action, actor, account=chosen, detail=path)
            stored = await desk.store.add_account(
                chosen, intake.login, audit, adopting=adopting, disabled=intake.file.disabled
            )
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


def sole_owner_hint(login: Login, path: str) -> str:
    """Say what to do with a login whose source would keep it: adopt it, or have its tool stop."""
    file = path if path.startswith("/") else "FILE"  # what came by standard input has none
    if login.form == codex_login.KEY:
        return (
            f"codex-broker account adopt {file} takes it over; --sole-owner if"
            " nothing else uses this login, not even codex login or codex logout"
        )
    tool = tool_at(path, login.form)
    if FORMATS[login.form].access_only is None:
        return f"{tool.stop}, then --sole-owner: {tool.name} would refresh it {tool.refreshes}"
    return (
        f"codex-broker account adopt {file} takes it over; --sole-owner once {tool.name} has let go of it:"
        f" {tool.stop}"
    )
