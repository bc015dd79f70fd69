"""A token answer whose account was removed before it could be committed."""

from broker.domain.records import AuditRecord, Tokens
from broker.store.commit import Sent, keep_orphan
from broker.store.store import Store

__all__ = ["keep_late"]


async def keep_late(store: Store, sent: Sent, attempt_id: str, tokens: Tokens, audit: AuditRecord) -> None:
    """Keep it sealed, as any other answer that came too late.

    Args:
        store: the store.
        sent: what the attempt was for.
        attempt_id: the attempt.
        tokens: what came.
        audit: names who keeps it and when; action and outcome are set here.
    """
    async with store._work(audit) as work:  # noqa: SLF001 - a module of the same class, for its size
        await keep_orphan(work, sent, attempt_id, tokens)
