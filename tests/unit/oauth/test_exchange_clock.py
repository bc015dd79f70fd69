"""Suspended processes and late starts: by the clock that goes on while the machine sleeps."""

import os
import signal
import socket
import ssl
from contextlib import suppress
from pathlib import Path

import trustme

from broker.refresh.process import LIMIT_S
from broker.settings import Settings
from fetchtoken.oauth.attempt import LATE_AFTER_S
from fetchtoken.oauth.journal import Phase
from fetchtoken.oauth.outcome import Kind
from fetchtoken.oauth.spawn import boot_clock_s
from tests.support.peers import Peer, answering, over_tls
from tests.support.wait import until_sync
from tests.unit.oauth.process import Exchange


def stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_a_process_suspended_before_sending_does_not_send_when_it_wakes_up(tmp_path, issuer):
    """SIGSTOP, the 20 s go by, SIGCONT: nothing leaves, and the journal says so."""
    started_s = boot_clock_s() - LATE_AFTER_S + 0.5
    with Exchange(
        tmp_path / "a", issuer.token_url, issuer.mint().refresh_token, started_s=started_s
    ) as attempt:
        os.kill(attempt.process.pid, signal.SIGSTOP)
        until_sync(lambda: stopped(attempt.process.pid))
        attempt.send()
        until_sync(lambda: boot_clock_s() - started_s >= LATE_AFTER_S)
        os.kill(attempt.process.pid, signal.SIGCONT)
        assert attempt.report()["answer"]["sent"] is False
        assert attempt.end() == 0
        assert attempt.kind() is Kind.NOT_SENT
    assert issuer.log() == []


def test_a_process_suspended_after_sending_writes_the_answer_down_when_it_wakes_up(tmp_path, issuer):
    """The answer waits in the socket; until then the attempt is held, so nobody takes it over."""
    issuer.fault("hold")
    with Exchange(tmp_path / "a", issuer.token_url, issuer.mint().refresh_token).send() as attempt:
        issuer.until_held()
        os.kill(attempt.process.pid, signal.SIGSTOP)
        until_sync(lambda: stopped(attempt.process.pid))
        issuer.release()
        issuer.until_logged(1)
        assert attempt.look().phase is Phase.HELD
        os.kill(attempt.process.pid, signal.SIGCONT)
        assert attempt.report()["journaled"] is True
        assert attempt.end() == 0
        assert attempt.kind() is Kind.TOKENS


def test_a_handshake_that_outlasts_the_start_is_not_followed_by_a_request(tmp_path):
    """The clock is looked at after TLS is up: a peer that greets too late gets no token."""
    authority = trustme.CA()
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    started_s = boot_clock_s() - LATE_AFTER_S + 3.0
    greet = over_tls(context, answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))

    def greet_late(peer: Peer, connection: socket.socket) -> None:
        until_sync(lambda: boot_clock_s() - started_s >= LATE_AFTER_S)
        with suppress(OSError):
            greet(peer, connection)

    with Peer(greet_late) as peer:
        url = peer.url.replace("http:", "https:")
        with Exchange(tmp_path / "a", url, started_s=started_s, ca_file=str(ca_file)).send() as attempt:
            assert "late" in attempt.report()["answer"]["reason"]
            attempt.end()
            assert attempt.kind() is Kind.NOT_SENT
        assert not any(peer.requests)


def test_a_lease_outlasts_the_latest_start_and_the_longest_request():
    """No setting lets a lease end while its owner may still be sending."""
    shortest = Settings.model_fields["refresh"].annotation.model_fields["lease"].metadata[0].ge
    assert shortest > LATE_AFTER_S + LIMIT_S
