"""A device login through SIGKILLs of the daemon: whatever step it was at, the next is answered alike."""

import pytest

from tests.support.approving import Approver, Asker, daemon_with_address, ticket_in
from tests.support.daemon import Daemon


@pytest.fixture
def daemon(tmp_path, shared_issuer):
    with daemon_with_address(tmp_path, shared_issuer.url) as running:
        running.hold(shared_issuer.mint(email="work@x.example"), "work")
        yield running


def again(daemon: Daemon) -> None:
    """Kill the daemon, and start it once more."""
    daemon.kill()
    daemon.start()


def test_a_login_goes_on_through_kills_and_its_replay_is_known_after_one(daemon):
    """Asked, looked at, approved, told, redeemed, replayed: each by another process than the step before."""
    person, asker = Approver(daemon.url), Asker(daemon.url)
    wishes = {"accounts": ["work"], "scopes": ["token"], "expires_s": 3600}
    invite = daemon.call("invite_add", name="laptop", **wishes)["code"]
    kept = asker.kept()
    again(daemon)
    ticket = ticket_in(person.look(kept["user_code"], invite))
    again(daemon)
    assert person.decide(ticket).status == 200
    told = asker.poll(kept)
    again(daemon)
    assert person.decide(ticket).status == 403
    assert asker.poll(kept).document == told.document
    brought = asker.redeem(told)
    assert brought.status == 200
    again(daemon)
    assert asker.refresh(brought).document["refresh_token"] == brought.document["refresh_token"]
    assert asker.poll(kept).code == "expired_token"
    again(daemon)
    assert asker.redeem(told).code == "invalid_grant"
    again(daemon)
    assert asker.refresh(brought).code == "refresh_token_invalidated"


def test_wrong_codes_are_counted_through_kills(daemon):
    """A daemon that has just started gives nobody five tries more."""
    person, asker = Approver(daemon.url), Asker(daemon.url)
    kept = asker.kept()
    for _ in range(4):
        person.look(kept["user_code"], "cbi_wrong")
    again(daemon)
    assert asker.poll(kept).code == "authorization_pending"
    person.look(kept["user_code"], "cbi_wrong")
    assert asker.poll(kept).code == "expired_token"
