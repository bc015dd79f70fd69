"""The operations on the audit trail: what is asked for, and checks that nobody goes on with."""

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import pytest_asyncio

from broker.admin import audit as module
from broker.admin.audit import AuditOperations
from broker.admin.desk import Desk
from broker.admin.wire import Actor
from broker.store.store import Store
from fetchtoken.domain.errors import ConfigError, Unavailable
from tests.support.records import NOW, RECORD, a_login, new_seal, store_url

ACTOR = Actor("uid:0 pid:1", "id")


@pytest_asyncio.fixture
async def operations(tmp_path: Path) -> AsyncIterator[AuditOperations]:
    store = await Store.open(store_url(tmp_path), new_seal(), now=lambda: NOW)
    for number in range(3):
        login = a_login(str(number), account_id=str(number))
        await store.add_account(
            f"a{number}", login, RECORD._replace(at=NOW - 100 * number, detail=str(number))
        )
    desk = cast("Desk", SimpleNamespace(store=store, clock=lambda: NOW))
    yield AuditOperations(desk)
    await store.close()


async def test_records_since_some_time_ago(operations: AuditOperations) -> None:
    """Seconds ago count by the broker's clock, the oldest record comes first."""
    found = await operations.audit_list(ACTOR, ago_s=150.0)
    assert [record["detail"] for record in found] == ["1", "0"]


@pytest.mark.parametrize("limit", [0, 10_001])
async def test_a_limit_is_kept(operations: AuditOperations, limit: int) -> None:
    """More than ten thousand at once would fill the daemon's memory."""
    with pytest.raises(ConfigError, match="--limit is 1 to 10000"):
        await operations.audit_list(ACTOR, limit=limit)


async def test_a_check_goes_on_where_it_was(
    operations: AuditOperations, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call checks for a moment, the last one brings the report, and then the check is gone."""
    monkeypatch.setattr(module, "_STEP_S", 0.0)
    begun = await operations.audit_verify(ACTOR)
    assert (begun["report"], begun["checked"], begun["total"]) == (None, 0, 4)
    monkeypatch.setattr(module, "_STEP_S", 10.0)
    done = await operations.audit_verify(ACTOR, begun["session"])
    assert (done["checked"], done["report"]["ok"]) == (4, True)
    with pytest.raises(Unavailable, match="restarted while it checked"):
        await operations.audit_verify(ACTOR, begun["session"])


async def test_checks_that_nobody_goes_on_with_are_forgotten(
    operations: AuditOperations, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many that were begun only the newest few are kept."""
    monkeypatch.setattr(module, "_STEP_S", 0.0)
    begun: list[dict[str, Any]] = [await operations.audit_verify(ACTOR) for _ in range(6)]
    with pytest.raises(Unavailable):
        await operations.audit_verify(ACTOR, begun[0]["session"])
    assert (await operations.audit_verify(ACTOR, begun[-1]["session"]))["report"] is None
