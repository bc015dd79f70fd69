import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fetchtoken.oauth.journal import Phase
from fetchtoken.oauth.outcome import Kind
from fetchtoken.oauth.spawn import boot_clock_s, encode_frame
from tests.support.peers import Peer, answering, closed_port
from tests.unit.oauth.process import Exchange


def test_the_answer_is_on_disk_before_it_is_told(tmp_path, issuer):
    """When the report comes the journal holds the same answer; one request was sent."""
    login = issuer.mint()
    with Exchange(tmp_path / "a", issuer.token_url, login.refresh_token).send() as attempt:
        report = attempt.report()
        entry = attempt.wait_until_free()
        assert attempt.end() == 0
    assert report["journaled"] is True
    assert entry.phase is Phase.ANSWERED
    assert entry.answer.to_json() == report["answer"]
    assert [entry["decision"] for entry in issuer.exchanges()] == ["rotated"]


@pytest.mark.parametrize("late_s", [20.0, 21.0, 3600.0])
def test_a_late_start_sends_nothing(tmp_path, issuer, late_s):
    """After 20 s the lease may be somebody else's: the journal says not sent, the issuer saw nothing."""
    login = issuer.mint()
    started_s = boot_clock_s() - late_s
    with Exchange(
        tmp_path / "a", issuer.token_url, login.refresh_token, started_s=started_s
    ).send() as attempt:
        assert attempt.report()["answer"]["sent"] is False
        assert attempt.end() == 0
        assert attempt.kind() is Kind.NOT_SENT
    assert issuer.log() == []


@pytest.mark.parametrize("part", [0.0, 0.001, 0.5, 0.999])
def test_a_parent_that_goes_before_the_request_is_whole_sends_nothing(tmp_path, issuer, part):
    """Half a request is none; the journal says that nothing was sent."""
    login = issuer.mint()
    with Exchange(tmp_path / "a", issuer.token_url, login.refresh_token) as attempt:
        frame = encode_frame(attempt.frame)
        attempt.send(frame[: int(len(frame) * part)])
        assert attempt.end() == 0
        assert attempt.look().phase is Phase.UNSENT
    assert issuer.log() == []


@pytest.mark.parametrize("frame", [b"\xff\xff\xff\xff", b"\0\0\0\x02[]"])
def test_nonsense_on_stdin_sends_nothing(tmp_path, issuer, frame):
    """It exits 2 at once."""
    with Exchange(tmp_path / "a", issuer.token_url) as attempt:
        attempt.send(frame)
        assert attempt.end() == 2
        assert attempt.look().phase is Phase.UNSENT
    assert issuer.log() == []


PARENT = """
import sys
from pathlib import Path
from tests.unit.oauth.process import Exchange
attempt = Exchange(Path(sys.argv[1]), sys.argv[2], sys.argv[3]).send()
print(attempt.process.pid, flush=True)
attempt.report()
"""


def test_a_parent_killed_after_sending_finds_the_answer_in_the_journal(tmp_path, issuer):
    """SIGKILL of the whole process group of the parent leaves the exchange running to its end."""
    login = issuer.mint()
    issuer.fault("hold")
    argv = [sys.executable, "-c", PARENT, str(tmp_path / "a"), issuer.token_url, login.refresh_token]
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3], start_new_session=True
    ) as parent:
        issuer.until_held()
        os.killpg(parent.pid, signal.SIGKILL)
        parent.wait()
    watch = Exchange.__new__(Exchange)
    watch.journal = tmp_path / "a"
    assert watch.look().phase is Phase.HELD
    issuer.release()
    assert watch.wait_until_free().phase is Phase.ANSWERED
    assert watch.kind() is Kind.TOKENS


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_it_ignores_what_stops_its_parent(tmp_path, issuer, name):
    """Ctrl-C, a stopping daemon and a closed terminal do not cut an exchange in two."""
    login = issuer.mint()
    issuer.fault("hold")
    with Exchange(tmp_path / "a", issuer.token_url, login.refresh_token).send() as attempt:
        issuer.until_held()
        attempt.process.send_signal(getattr(signal, name))
        issuer.release()
        assert attempt.report()["journaled"] is True
        assert attempt.end() == 0
        assert attempt.kind() is Kind.TOKENS


def test_it_has_a_session_of_its_own_and_holds_the_journal_for_its_life(tmp_path, issuer):
    """No signal of the parent's terminal or group reaches it; while it lives nobody else judges."""
    login = issuer.mint()
    issuer.fault("hold")
    with Exchange(tmp_path / "a", issuer.token_url, login.refresh_token).send() as attempt:
        issuer.until_held()
        pid = attempt.process.pid
        assert os.getsid(pid) == pid != os.getsid(0)
        assert attempt.look().phase is Phase.HELD
        issuer.release()
        attempt.report()
        assert attempt.end() == 0
        assert attempt.look().phase is Phase.ANSWERED


def test_nothing_of_the_request_shows_from_outside(tmp_path, issuer, monkeypatch):
    """Neither command line nor environment holds the token, the URL or a secret of the parent's."""
    monkeypatch.setenv("CODEX_REMOTE_API_KEY", "canary-key")
    login = issuer.mint()
    issuer.fault("hold")
    with Exchange(tmp_path / "a", issuer.token_url, login.refresh_token).send() as attempt:
        issuer.until_held()
        seen = b"".join(
            Path(f"/proc/{attempt.process.pid}/{name}").read_bytes() for name in ("cmdline", "environ")
        )
        issuer.release()
        attempt.report()
    for secret in (login.refresh_token, login.access_token, issuer.url, "canary-key"):
        assert secret.encode() not in seen


def test_a_parent_that_does_not_listen_loses_nothing(tmp_path, issuer):
    """A closed pipe is no error: the answer is in the journal."""
    login = issuer.mint()
    issuer.fault("hold")
    with Exchange(tmp_path / "a", issuer.token_url, login.refresh_token).send() as attempt:
        issuer.until_held()
        attempt.process.stdout.close()
        issuer.release()
        assert attempt.end() == 0
        assert attempt.process.stderr.read() == b""
        assert attempt.kind() is Kind.TOKENS


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.2.1/oauth/token",
        "ftp://127.0.0.1/x",
        "https://[::1",
        "https://user@host/x",
        "unix:/no/such",
    ],
)
def test_a_url_that_may_not_be_used_is_not_sent_to(tmp_path, url):
    """Plain http to another host, other schemes and broken URLs end the attempt before it leaves."""
    with Exchange(tmp_path / "a", url).send() as attempt:
        report = attempt.report()
        assert attempt.end() == 0
        assert (report["answer"]["sent"], report["journaled"]) == (False, True)
        assert attempt.kind() is Kind.NOT_SENT


def test_a_refused_connection_is_not_sent(tmp_path):
    """The issuer is down: try again, nothing is in doubt."""
    with closed_port() as port, Exchange(tmp_path / "a", f"http://127.0.0.1:{port}/").send() as attempt:
        assert "cannot connect" in attempt.report()["answer"]["reason"]
        assert attempt.kind() is Kind.NOT_SENT


def test_a_hanging_issuer_is_given_up_at_the_limit(tmp_path, issuer):
    """After the hard limit nobody knows; the request is not sent again."""
    issuer.fault("hang")
    with Exchange(
        tmp_path / "a", issuer.token_url, issuer.mint().refresh_token, limit_s=0.3
    ).send() as attempt:
        attempt.report()
        assert attempt.kind() is Kind.UNKNOWN
    assert len(issuer.log()) == 1


def test_redirects_are_not_followed(tmp_path):
    """The body goes to nobody else."""
    with Peer(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as other:
        head = f"HTTP/1.1 307 Go\r\nLocation: {other.url}\r\nContent-Length: 0\r\n\r\n"
        with Peer(answering(head.encode())) as peer, Exchange(tmp_path / "a", peer.url).send() as attempt:
            attempt.report()
            assert attempt.kind() is Kind.TRY_LATER
        assert other.accepted == 0
