import json
import time

import pytest

from fetchtoken.codex import refresh_file
from fetchtoken.codex.locks import auth_locks
from fetchtoken.codex.refresh_file import is_due, serve
from fetchtoken.domain.instants import parse_rfc3339, to_rfc3339
from fetchtoken.domain.secret import Secret
from fetchtoken.domain.token import Token
from tests.support.laptop import EXPIRED, STALE

DAY_S = 86_400


def run(laptop, **wishes):
    return serve(laptop.job(**wishes), {})


def change(laptop, **keys):
    document = laptop.document()
    document.update(keys)
    laptop.auth.write_text(json.dumps(document))


def test_an_expired_login_is_exchanged_and_its_file_rewritten(laptop):
    """One request; tokens and time change, everything else stays, nothing is left behind."""
    login = laptop.log_in(**EXPIRED)
    change(laptop, future={"deep": [1]})
    began_s = time.time()
    assert run(laptop) == {"status": "refreshed", "detail": ""}
    after = laptop.document()
    assert laptop.sent() == ["rotated"]
    assert laptop.issuer.alive(after["tokens"]["access_token"])
    assert after["tokens"]["refresh_token"] != login.refresh_token
    assert parse_rfc3339(after["last_refresh"]) == pytest.approx(began_s, abs=60)
    new = {key: after["tokens"][key] for key in ("id_token", "access_token", "refresh_token")}
    tokens = {**login.document["tokens"], **new}
    expected = {**login.document, "future": {"deep": [1]}, "tokens": tokens}
    assert after == {**expected, "last_refresh": after["last_refresh"]}
    assert sorted(path.name for path in laptop.codex_home.iterdir()) == [
        "auth.json",
        "auth.json.lock",
        "auth.lock",
    ]


@pytest.mark.parametrize(
    ("wishes", "sends"),
    [
        ({"min_valid_s": 0}, False),
        ({"min_valid_s": 100_000}, False),
        ({"min_valid_s": 200_000}, True),
        ({"when_due": True}, True),
        ({"force": True}, True),
    ],
)
def test_only_a_need_is_sent(laptop, wishes, sends):
    """A token with 164,000 s left: enough for some demands, past 60 % of its life."""
    laptop.log_in(**STALE)
    assert run(laptop, **wishes)["status"] == ("refreshed" if sends else "fresh")
    assert len(laptop.sent()) == sends


def test_a_token_that_is_not_due_waits(laptop):
    """Before 60 % of its life a timer does nothing."""
    laptop.log_in(life_s=864_000, age_s=500_000)
    assert run(laptop, when_due=True)["status"] == "fresh"
    assert laptop.sent() == []


def test_force_is_met_by_whoever_exchanged_since(laptop):
    """Any exchange completed after the command began will do; an earlier one will not."""
    laptop.log_in(**STALE)
    began_s = time.time()
    assert run(laptop, force=True, began_s=began_s)["status"] == "refreshed"
    assert run(laptop, force=True, began_s=began_s)["status"] == "fresh"
    assert run(laptop, force=True, began_s=time.time())["status"] == "refreshed"
    assert laptop.sent() == ["rotated", "rotated"]


def test_force_is_not_met_by_a_time_still_to_come(laptop):
    """A file written by a clock that ran ahead says nothing about what happened since."""
    laptop.log_in(**STALE)
    change(laptop, last_refresh=to_rfc3339(time.time() + DAY_S))
    assert run(laptop, force=True)["status"] == "refreshed"


def test_a_young_token_is_not_exchanged_for_a_longer_one(laptop):
    """An issuer of short tokens is not asked again and again; a forced refresh is an order."""
    laptop.log_in(life_s=700, age_s=120)
    assert run(laptop, min_valid_s=3600)["status"] == "young"
    assert laptop.sent() == []
    assert run(laptop, min_valid_s=3600, force=True)["status"] == "refreshed"


def test_without_a_refresh_token_nothing_is_sent(laptop):
    """An access-only file that is expired."""
    login = laptop.log_in(**EXPIRED)
    tokens = {**login.document["tokens"], "refresh_token": ""}
    change(laptop, tokens=tokens, auth_mode="chatgptAuthTokens")
    assert run(laptop)["status"] == "no_refresh_token"
    assert laptop.sent() == []


@pytest.mark.parametrize("name", ["auth.lock", "auth.json.lock"])
def test_nothing_is_sent_while_codex_holds_a_lock(laptop, monkeypatch, name):
    """Either of its two; the report says which."""
    laptop.log_in(**EXPIRED)
    monkeypatch.setattr(refresh_file, "_LOCKS_S", 0.05)
    other = laptop.codex_home / name.removesuffix(".lock")
    with auth_locks(str(other), "/nowhere", time.monotonic() + 1):
        report = run(laptop)
    assert report["status"] == "busy"
    assert name in report["detail"]
    assert laptop.sent() == []


def test_an_account_file_takes_its_own_lock_only(laptop, monkeypatch):
    """The default login's locks do not stand in its way."""
    laptop.log_in(**STALE)
    (laptop.codex_home / "accounts").mkdir()
    path = laptop.codex_home / "accounts" / "work.json"
    laptop.log_in(path, **EXPIRED)
    monkeypatch.setattr(refresh_file, "_LOCKS_S", 0.05)
    with auth_locks(str(laptop.auth), str(laptop.codex_home), time.monotonic() + 1):
        assert run(laptop, path=str(path))["status"] == "refreshed"


@pytest.mark.parametrize("late_s", [20.0, 1000.0])
def test_who_waited_too_long_for_the_locks_sends_nothing(laptop, late_s):
    """The late start rule holds here too, and leaves nothing in doubt."""
    laptop.log_in(**EXPIRED)
    started_s = laptop.job()["started_s"] - late_s
    assert run(laptop, started_s=started_s)["status"] == "not_sent"
    assert laptop.sent() == []
    assert not laptop.attempt.exists()


def test_a_file_that_is_gone_is_blocked(laptop):
    """Codex logged out between the command's look and ours."""
    report = run(laptop)
    assert (report["status"], report["exit_code"]) == ("blocked", 4)


def test_an_answer_for_another_user_is_kept_and_told(laptop):
    """A mismatch raises an alarm but never discards."""
    laptop.log_in(**EXPIRED)
    laptop.issuer.fault("other-account")
    report = run(laptop)
    assert report["status"] == "refreshed"
    assert "another user" in report["detail"]
    assert laptop.issuer.alive(laptop.access_token)


def token(*, exp=None, iat=None, text="at"):
    return Token(access_token=Secret(text), expires_at=exp, issued_at=iat)


@pytest.mark.parametrize(
    ("given", "last_refresh_s", "now_s", "due"),
    [
        (token(exp=1000, iat=0), None, 599, False),
        (token(exp=1000, iat=0), None, 600, True),
        (token(exp=1000), 500, 799, False),
        (token(exp=1000), 500, 800, True),
        (token(exp=1000), None, 639, False),
        (token(exp=1000), None, 641, True),
        (token(exp=1000, iat=2000), None, 639, False),
        (token(exp=1000, iat=2000), None, 641, True),
        (token(), 0, 8 * DAY_S, False),
        (token(), 0, 8 * DAY_S + 1, True),
        (token(), None, 99 * DAY_S, False),
        (token(text=""), None, 0, True),
    ],
)
def test_a_token_is_due_at_sixty_percent(given, last_refresh_s, now_s, due):
    """Of its life where that is known; else shortly before its end; an opaque one after eight days."""
    assert is_due(given, last_refresh_s, now_s) is due


def test_times_are_written_as_codex_writes_them(laptop):
    """RFC 3339 with a fraction and Z."""
    laptop.log_in(**EXPIRED)
    run(laptop)
    written = laptop.document()["last_refresh"]
    assert written.endswith("Z")
    assert "." in written
    assert written[:10] == to_rfc3339(time.time())[:10]
