"""An answer that the journal does not take: told, and kept alive until somebody has it."""

import pytest

from fetchtoken.oauth.journal import Phase, inspect
from fetchtoken.oauth.outcome import Kind
from tests.support.need import need_program
from tests.support.wait import until_sync
from tests.unit.oauth.process import Exchange


def failing(tmp_path, issuer, call, when, error="ENOSPC", **frame):
    """Start an exchange whose system calls on the journal fail."""
    strace = need_program("strace", "strace")
    inject = f"inject={call}:error={error}:when={when}"
    before = (strace, "-f", "-o", str(tmp_path / "trace"), "-P", str(tmp_path / "a"), "-e", f"trace={call}")
    login = issuer.mint()
    return Exchange(
        tmp_path / "a", issuer.token_url, login.refresh_token, before=(*before, "-e", inject), **frame
    ).send()


@pytest.mark.parametrize(("call", "error"), [("write", "ENOSPC"), ("write", "EIO"), ("fsync", "EIO")])
def test_without_a_durable_note_nothing_is_sent(tmp_path, issuer, call, error):
    """``sending`` cannot be written: the request stays here."""
    with failing(tmp_path, issuer, call, "1", error) as attempt:
        report = attempt.report()
        assert report["answer"]["sent"] is False
        assert "journal" in report["answer"]["reason"]
        attempt.end()
    assert issuer.log() == []


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_an_answer_that_cannot_be_written_is_told_and_held_until_acknowledged(tmp_path, issuer, call):
    """The report says ``journaled: false``; the process goes only when the parent has stored it."""
    with failing(tmp_path, issuer, call, "2+") as attempt:
        report = attempt.report()
        assert report["journaled"] is False
        assert report["answer"]["status"] == 200
        assert attempt.look().phase is Phase.HELD
        attempt.send(b"\x06")
        assert attempt.process.wait(30) == 0
    assert [entry["decision"] for entry in issuer.exchanges()] == ["rotated"]


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_disk_that_recovers_gets_the_answer_when_the_parent_is_gone(tmp_path, issuer, call):
    """Nobody acknowledges any more: the process writes as soon as it can, then ends."""
    with failing(tmp_path, issuer, call, "2..3") as attempt:
        assert attempt.report()["journaled"] is False
        assert attempt.end() == 0
        assert attempt.look().phase is Phase.ANSWERED
        assert attempt.kind() is Kind.TOKENS


def test_a_parent_that_is_gone_does_not_end_the_holding(tmp_path, issuer):
    """While the disk takes nothing the process stays with the only copy."""
    with failing(tmp_path, issuer, "write", "2+") as attempt:
        assert attempt.report()["journaled"] is False
        attempt.process.stdin.close()
        trace = tmp_path / "trace"
        tries = trace.read_text().count("ENOSPC")
        until_sync(lambda: trace.read_text().count("ENOSPC") > tries + 1)
        assert attempt.process.poll() is None
        assert attempt.look().phase is Phase.HELD


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_an_answer_that_the_file_does_not_take_goes_to_a_second_one(tmp_path, issuer, call):
    """Elsewhere, whole and held until it is durable; the report says that it is journalled."""
    other = tmp_path / "elsewhere"
    other.mkdir()
    intent = {"attempt": "a", "account": 7}
    with failing(tmp_path, issuer, call, "2+", spare=str(other / "a"), intent=intent) as attempt:
        assert attempt.report()["journaled"] is True
        assert attempt.end() == 0
        assert attempt.look().phase is Phase.SENT if call == "write" else Phase.ANSWERED
    entry = inspect(str(other / "a"))
    assert (entry.phase, entry.intent) == (Phase.ANSWERED, intent)
    assert entry.answer.status == 200


def test_where_no_place_takes_the_answer_the_parent_is_told(tmp_path, issuer):
    """Neither file can be written: it is the parent's to keep, and no half of a second file stays."""
    spare = tmp_path / "missing" / "a"
    with failing(tmp_path, issuer, "write", "2+", spare=str(spare)) as attempt:
        assert attempt.report()["journaled"] is False
        attempt.send(b"\x06")
        assert attempt.process.wait(30) == 0
    assert [entry["decision"] for entry in issuer.exchanges()] == ["rotated"]
