"""What the daemon follows: others' changes count, whatever else of a look does not succeed."""

from types import SimpleNamespace

from broker.domain.records import Snapshot
from broker.domain.roster import Roster
from broker.following import Follower
from broker.ops.notify import Manager
from fetchtoken.domain.errors import Unavailable
from tests.support.records import NOW, a_client


async def _nothing() -> None:
    return


async def test_a_revocation_counts_where_times_of_use_cannot_be_written() -> None:
    """A full disk behind the store must not keep a revoked client's key in force."""
    roster, trouble = Roster(), []
    roster.put_client(a_client())
    revoked = Snapshot(revision=2, whole=False, accounts=(), clients=(a_client(revoked_at=NOW, revision=2),))

    async def changes(_since: int) -> Snapshot:
        return revoked

    async def full() -> None:
        raise Unavailable("the disk is full", hint="free some")

    parts = SimpleNamespace(
        life=SimpleNamespace(look=_nothing),
        store=SimpleNamespace(changes=changes),
        machinery=SimpleNamespace(keep=full),
        roster=roster,
    )
    health = SimpleNamespace(store_works=lambda: None, store_fails=trouble.append)
    follower = Follower(parts, SimpleNamespace(), health, Manager(), "http://127.0.0.1:1")
    assert await follower._take_in()
    assert roster.client("ci").revoked_at == NOW
    assert trouble == []
