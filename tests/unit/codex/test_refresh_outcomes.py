"""What each answer leaves in the auth file and beside it."""

import json
import os
import threading
import time

import pytest

from fetchtoken.codex.local_attempt import begin
from fetchtoken.codex.refresh_file import TWICE, serve
from fetchtoken.domain.instants import parse_rfc3339
from fetchtoken.domain.secret import Secret
from fetchtoken.oauth.journal import Phase, inspect
from tests.support.laptop import EXPIRED
from tests.support.peers import closed_port
from tests.support.places import tmpfs

TABLE = {
    "500": ("in_doubt", True),
    "503": ("try_later", False),
    "503-retry-after": ("try_later", True),
    "429": ("try_later", False),
    "429-retry-after": ("try_later", True),
    "redirect-307": ("try_later", False),
    "403-page": ("try_later", False),
    "html": ("in_doubt", True),
    "not-json": ("in_doubt", True),
    "reset": ("in_doubt", True),
    "torn": ("in_doubt", True),
    "missing-fields": ("in_doubt", True),
    "commit-then-500": ("in_doubt", True),
    "refuse-reused": ("refused", True),
    "refuse-bare": ("refused", True),
    "no-id-token": ("refreshed", False),
    "no-refresh-token": ("refreshed", False),
}


def run(laptop, **wishes):
    return serve(laptop.job(**wishes), {})


@pytest.mark.parametrize("fault", TABLE)
def test_each_answer_has_its_status_and_its_trace(laptop, fault):
    """A file stays beside the login where something is in doubt, refused, or to be waited for."""
    login = laptop.log_in(**EXPIRED)
    laptop.issuer.fault(fault, seconds=60)
    status, stays = TABLE[fault]
    assert run(laptop)["status"] == status
    assert laptop.attempt.exists() is stays
    assert len(laptop.sent()) == 1
    if status != "refreshed":
        assert laptop.document() == login.document


@pytest.mark.parametrize(
    ("fault", "status"),
    [("500", "in_doubt"), ("429-retry-after", "try_later"), ("refuse-grant", "refused_before")],
)
def test_what_stays_keeps_the_next_commands_from_sending(laptop, fault, status):
    """In doubt, told to wait, refused: 5 more tries send nothing."""
    laptop.log_in(**EXPIRED)
    laptop.issuer.fault(fault, seconds=60)
    run(laptop)
    assert [run(laptop)["status"] for _ in range(5)] == [status] * 5
    assert len(laptop.sent()) == 1


@pytest.mark.parametrize("fault", ["503", "429", "403-page", "redirect-302"])
def test_try_later_is_tried_later(laptop, fault):
    """Without Retry-After the next command may try at once."""
    laptop.log_in(**EXPIRED)
    laptop.issuer.fault(fault)
    run(laptop)
    assert run(laptop)["status"] == "refreshed"


def test_an_issuer_that_is_down_leaves_nothing(laptop):
    """Not sent: no trace, and the next try succeeds."""
    laptop.log_in(**EXPIRED)
    with closed_port() as port:
        report = run(laptop, url_override=f"http://127.0.0.1:{port}/oauth/token")
    assert report["status"] == "not_sent"
    assert not laptop.attempt.exists()
    assert run(laptop)["status"] == "refreshed"


def test_a_new_refresh_token_alone_is_kept_and_used(laptop):
    """The old one is spent: sending it again would end the login."""
    login = laptop.log_in(**EXPIRED)
    laptop.issuer.fault("no-access-token")
    report = run(laptop)
    assert report["status"] == "try_later"
    after = laptop.document()
    assert after["tokens"]["refresh_token"] != login.refresh_token
    assert (after["tokens"]["access_token"], after["last_refresh"]) == (
        login.access_token,
        login.document["last_refresh"],
    )
    assert run(laptop)["status"] == "refreshed"
    assert laptop.sent() == ["rotated", "rotated"]


def test_a_token_in_doubt_is_not_sent_without_an_order(laptop):
    """Not even by force."""
    laptop.log_in(**EXPIRED)
    laptop.issuer.fault("reset")
    run(laptop)
    assert run(laptop, force=True)["status"] == "in_doubt"
    assert len(laptop.sent()) == 1


def test_a_token_in_doubt_is_sent_once_more_by_order(laptop):
    """Where the first request was lost on its way the login is saved."""
    laptop.log_in(**EXPIRED)
    laptop.issuer.fault("reset")
    run(laptop)
    assert run(laptop, replay=True)["status"] == "refreshed"
    assert laptop.sent() == ["not processed", "rotated"]
    assert not laptop.attempt.exists()


def test_a_replay_is_refused_where_the_first_sending_was_heard(laptop):
    """The strict issuer ends the login; it is never sent a third time."""
    laptop.log_in(**EXPIRED)
    laptop.issuer.fault("commit-then-500")
    run(laptop)
    assert run(laptop, replay=True, force=True)["status"] == "refused"
    assert run(laptop, replay=True, force=True)["status"] == "refused_before"
    assert laptop.sent() == ["rotated", "reused: family revoked"]


def test_a_second_doubt_uses_the_replay_up(laptop):
    """Two sendings without an answer are enough."""
    laptop.log_in(**EXPIRED)
    laptop.issuer.fault("reset", times=2)
    run(laptop)
    assert run(laptop, replay=True) == {"status": "in_doubt", "detail": TWICE}
    assert run(laptop, replay=True, force=True) == {"status": "in_doubt", "detail": TWICE}
    assert len(laptop.sent()) == 2


@pytest.mark.parametrize("how", ["not sent", "429"])
def test_a_replay_that_was_not_heard_is_not_used_up(laptop, how):
    """The doubt stays: no plain refresh sends, another order does."""
    laptop.log_in(**EXPIRED)
    laptop.issuer.fault("reset")
    run(laptop)
    if how == "429":
        laptop.issuer.fault("429")
        assert run(laptop, replay=True)["status"] == "try_later"
    else:
        with closed_port() as port:
            override = f"http://127.0.0.1:{port}/"
            assert run(laptop, replay=True, url_override=override)["status"] == "not_sent"
    before = len(laptop.sent())
    assert run(laptop)["status"] == "in_doubt"
    assert len(laptop.sent()) == before
    assert run(laptop, replay=True)["status"] == "refreshed"


def test_an_unreadable_attempt_wants_a_person(laptop):
    """It may hold the answer, so a timer does not replay it; a person's order does."""
    laptop.log_in(**EXPIRED)
    laptop.issuer.fault("reset")
    run(laptop)
    data = bytearray(laptop.attempt.read_bytes())
    data[:512] = data[8192:8704]
    laptop.attempt.write_bytes(bytes(data))
    assert run(laptop, replay=True)["status"] == "in_doubt"
    assert run(laptop, replay=True, force=True)["status"] == "refreshed"


def in_the_middle(laptop, act, **wishes):
    """Run a refresh and act while the issuer holds its answer; return the report."""
    reports = []
    laptop.issuer.fault("hold")
    thread = threading.Thread(target=lambda: reports.append(run(laptop, **wishes)))
    thread.start()
    laptop.issuer.until_held()
    try:
        act()
    finally:
        laptop.issuer.release()
        thread.join()
    return reports[0]


def test_a_login_made_meanwhile_stands_and_the_answer_is_kept_aside(laptop):
    """Somebody logged in without taking the locks: their file is not touched, our tokens not dropped."""
    laptop.log_in(**EXPIRED)
    report = in_the_middle(laptop, lambda: laptop.log_in(email="other@example.com"))
    assert report["status"] == "fresh"
    assert "kept aside" in report["detail"]
    assert laptop.document()["tokens"]["refresh_token"].startswith("rt_")
    assert len(list(laptop.codex_home.glob("*.orphan"))) == 1
    assert not laptop.attempt.exists()
    assert run(laptop)["status"] == "fresh"


def test_a_logout_meanwhile_keeps_the_answer(laptop):
    """The file is gone: the answer waits beside its place, and no new file is made."""
    laptop.log_in(**EXPIRED)
    assert in_the_middle(laptop, laptop.auth.unlink)["status"] == "blocked"
    assert not laptop.auth.exists()
    assert laptop.attempt.exists()


def test_a_disk_that_fills_up_meanwhile_costs_nothing(laptop, tmp_path):
    """The answer is in the space that was set aside; the next command commits it without a request."""
    with tmpfs(tmp_path / "small", size_k=128) as small:
        path = small / "auth.json"
        laptop.log_in(path, **EXPIRED)
        filler = small / "filler"

        def fill():
            with pytest.raises(OSError, match="No space"):
                filler.write_bytes(bytes(1 << 20))

        report = in_the_middle(laptop, fill, path=str(path))
        assert report["status"] == "blocked"
        assert "No space" in report["detail"]
        answered_s = (small / "auth.json.attempt").stat().st_mtime
        filler.unlink()
        assert run(laptop, path=str(path))["status"] == "fresh"
        document = json.loads(path.read_text())
        assert laptop.issuer.alive(document["tokens"]["access_token"])
        assert parse_rfc3339(document["last_refresh"]) == pytest.approx(answered_s, abs=1e-5)
        assert laptop.sent() == ["rotated"]
        assert sorted(path.name for path in small.iterdir()) == ["auth.json", "auth.json.lock"]


def test_an_answer_that_was_journaled_earlier_does_not_meet_force(laptop, tmp_path):
    """Force asks for an exchange completed after the command began; a commit is none."""
    with tmpfs(tmp_path / "small", size_k=128) as small:
        path = small / "auth.json"
        laptop.log_in(path, **EXPIRED)
        filler = small / "filler"

        def fill():
            with pytest.raises(OSError, match="No space"):
                filler.write_bytes(bytes(1 << 20))

        in_the_middle(laptop, fill, path=str(path))
        filler.unlink()
        assert run(laptop, path=str(path), force=True, began_s=time.time())["status"] == "refreshed"
        assert laptop.sent() == ["rotated", "rotated"]


def test_a_held_attempt_is_left_to_who_holds_it(laptop):
    """Somebody carries it out under other locks: nothing is sent, nothing cleared away."""
    login = laptop.log_in(**EXPIRED)
    fd = begin(str(laptop.attempt), Secret(login.refresh_token), replay=False)
    try:
        assert run(laptop)["status"] == "busy"
    finally:
        os.close(fd)
    assert laptop.sent() == []
    assert run(laptop)["status"] == "refreshed"


def test_tokens_of_a_login_that_is_gone_are_kept_aside(laptop):
    """A new login came after a kill behind the answer: it is used, and what was kept is still there."""
    laptop.log_in(**EXPIRED)
    in_the_middle(laptop, laptop.auth.unlink)
    laptop.log_in(**EXPIRED)
    assert run(laptop)["status"] == "refreshed"
    (orphan,) = laptop.codex_home.glob("*.orphan")
    assert inspect(str(orphan)).phase is Phase.ANSWERED
    assert laptop.sent() == ["rotated", "rotated"]


def test_a_link_that_is_pointed_elsewhere_meanwhile_leads_nothing_astray(laptop):
    """Somebody switches accounts by a link in mid-exchange: the answer goes where its token came from."""
    accounts = laptop.codex_home / "accounts"
    accounts.mkdir()
    laptop.log_in(accounts / "a.json", **EXPIRED)
    laptop.log_in(accounts / "b.json", email="other@example.com")
    other = (accounts / "b.json").read_bytes()
    laptop.auth.symlink_to(accounts / "a.json")

    def switch():
        laptop.auth.unlink()
        laptop.auth.symlink_to(accounts / "b.json")

    in_the_middle(laptop, switch)
    assert (accounts / "b.json").read_bytes() == other
    run(laptop, path=str(accounts / "a.json"))
    assert laptop.sent() == ["rotated"]
    document = json.loads((accounts / "a.json").read_text())
    assert laptop.issuer.alive(document["tokens"]["access_token"])
