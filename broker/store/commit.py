"""Keeping a token answer: in its row, or sealed beside it when it comes too late."""

from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import Row, and_, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from broker.domain.account import Event, State
from broker.domain.audit import Action
from broker.domain.events import judge
from broker.domain.records import Account, LateAnswer, Tokens
from broker.domain.schedule import servable
from broker.store.rows import account_from_row, contradicts, token_columns
from broker.store.sealed import orphan_context
from broker.store.tables import accounts, orphans, spent
from broker.store.work import Work
from fetchtoken.domain.errors import Unsafe
from fetchtoken.domain.instants import to_rfc3339
from fetchtoken.domain.jsontext import dumps

__all__ = ["Sent", "commit_tokens", "keep_orphan", "read_late"]


class Sent(NamedTuple):
    """What an attempt was for; its account may be gone."""

    account: int
    login_id: str
    generation: int


async def commit_tokens(
    work: Work, account: Account, attempt_id: str, event: Event, tokens: Tokens
) -> Account | None:
    """Keep a token answer. See :meth:`broker.store.store.Store.commit_tokens`."""
    sent = Sent(account.id, account.login_id, account.generation)
    row = await work.of_login(account.login_id)
    if row is None:
        await keep_orphan(work, sent, attempt_id, tokens)
        return None
    held = account_from_row(row, work.keys)
    if await _is_committed(work, held, account.generation, tokens):
        await work.undo()
        return held
    cell = judge(held, event, login_id=account.login_id, generation=account.generation, attempt_id=attempt_id)
    if cell is None:
        await keep_orphan(work, sent, attempt_id, tokens)
        return None
    values = token_columns(_merged(held, tokens), held.login_id, held.generation + 1, work.keys) | {
        "state": cell.to,
        "replay_used": bool(cell.replay_used),
        "attempt_id": None,
        "journal_id": None,
        "lease_until": None,
        "not_before_s": 0.0,
        "failures": 0,
        "last_error": "",
        # An answer that the row no longer waited for may be of a former life: it proves nothing.
        "restored": held.restored and not _awaits(held, attempt_id),
    }
    alarm = contradicts(row, tokens)
    if values["restored"]:
        values["last_error"] = row.last_error
    if not alarm:
        values |= {"plan_type": tokens.plan_type or row.plan_type, "email": tokens.email or row.email}
    if row.fingerprint not in (None, values["fingerprint"]):
        await _remember_spent(work, row)
    same = and_(accounts.c.login_id == held.login_id, accounts.c.generation == held.generation)
    await work.change(same, values)
    await work.log()
    if alarm:
        named = f"{tokens.account_id}/{tokens.user_id}"
        told = f"the answer names {named}, the account is {row.account_id}/{row.user_id}"
        await work.log_also(Action.ACCOUNT_IDENTITY_ALARM, "identity_mismatch", told)
    if event is Event.TOKENS and not servable(tokens.expires_at, work.now_s):
        told = f"the answer's token ends at {to_rfc3339(tokens.expires_at or 0)}"
        await work.log_also(Action.ACCOUNT_EXPIRY_ALARM, "already_expired", told)
    return await work.account(held.id)


def _awaits(held: Account, attempt_id: str) -> bool:
    return held.attempt_id == attempt_id and held.state in (State.REFRESHING, State.REPLAYING)


async def read_late(connection: AsyncConnection) -> list[LateAnswer]:
    """Return which late answers are kept, oldest first."""
    rows = await connection.execute(
        select(orphans.c.account, orphans.c.generation, orphans.c.at).order_by(orphans.c.id)
    )
    return [LateAnswer(account=row.account, generation=row.generation, at=row.at) for row in rows]


def _merged(held: Account, tokens: Tokens) -> Tokens:
    """Return the tokens that are in force now: what the answer left out stays as it was."""
    if held.sealed and not (tokens.refresh_token and tokens.id_token):
        # Keeping the old would mean sealing again what cannot be opened; the journal has the answer.
        raise Unsafe(held.last_error, hint="bring back the master key or the store", code="sealed")
    return replace(
        tokens,
        refresh_token=tokens.refresh_token or held.refresh_token,
        id_token=tokens.id_token or held.id_token,
    )


async def _is_committed(work: Work, held: Account, generation: int, tokens: Tokens) -> bool:
    """Tell whether this very answer is in the row already, or the row has moved on from it.

    A journal file outlives its commit when the broker dies before unlinking it.
    """
    if held.generation <= generation:
        return False
    if held.access_token == tokens.access_token:
        return True
    if not tokens.refresh_token:
        return False
    known = await work.connection.execute(
        select(spent.c.login_id).where(spent.c.fingerprint == work.keys.fingerprint(tokens.refresh_token))
    )
    return held.refresh_token == tokens.refresh_token or known.scalar_one_or_none() == held.login_id


async def _remember_spent(work: Work, row: Row[Any]) -> None:
    known = await work.connection.execute(
        select(spent.c.login_id).where(spent.c.fingerprint == row.fingerprint)
    )
    if known.one_or_none() is None:
        await work.connection.execute(
            insert(spent).values(
                fingerprint=row.fingerprint,
                login_id=row.login_id,
                generation=row.generation,
                account=row.id,
                at=work.now_s,
            )
        )


async def keep_orphan(work: Work, sent: Sent, attempt_id: str, tokens: Tokens) -> None:
    """Keep a token answer sealed beside the accounts; the same one again changes nothing."""
    same = await work.connection.execute(
        select(orphans.c.id).where(
            orphans.c.login_id == sent.login_id,
            orphans.c.generation == sent.generation,
            orphans.c.attempt_id == attempt_id,
        )
    )
    if same.one_or_none() is not None:
        return
    content = {
        "access_token": tokens.access_token.reveal(),
        "refresh_token": tokens.refresh_token.reveal() if tokens.refresh_token else "",
        "id_token": tokens.id_token.reveal() if tokens.id_token else "",
    }
    context = orphan_context(sent.login_id, sent.generation, attempt_id)
    await work.connection.execute(
        insert(orphans).values(
            at=work.now_s,
            account=sent.account,
            login_id=sent.login_id,
            generation=sent.generation,
            attempt_id=attempt_id,
            box=work.keys.seal.close(dumps(content).encode(), context),
        )
    )
    told = f"login {sent.login_id} generation {sent.generation}: kept sealed"
    await work.log_also(Action.ACCOUNT_ORPHAN, "late", told)
