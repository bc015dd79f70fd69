"""A certificate is renewed while callers come and go: nobody is turned away."""

import http.client
import signal
import ssl
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock

import pytest
import trustme

from tests.support.authority import client_trusting, write_pair
from tests.support.daemon import running_daemon
from tests.support.issuer import issuer_in_thread
from tests.support.wait import until_sync

CALLERS = 4
RENEWALS = 5


class Callers:
    """Threads that fetch a token over a new connection each time.

    Attributes:
        failures: what went wrong.
        seen: how often each certificate, by its serial number, was met.
    """

    def __init__(self, port: int, key: str, trust: ssl.SSLContext) -> None:
        self.failures: list[str] = []
        self.seen: Counter[str] = Counter()
        self.over = Event()
        self._port, self._key, self._trust, self._lock = port, key, trust, Lock()

    def run(self) -> None:
        while not self.over.is_set():
            try:
                serial = self.once()
            except (OSError, http.client.HTTPException, AssertionError) as error:
                self.failures.append(repr(error))
            else:
                with self._lock:
                    self.seen[serial] += 1

    def once(self) -> str:
        connection = http.client.HTTPSConnection("localhost", self._port, context=self._trust, timeout=30)
        try:
            connection.request("GET", "/codex", headers={"Authorization": f"Bearer {self._key}"})
            serial = str(connection.sock.getpeercert()["serialNumber"])
            response = connection.getresponse()
            assert (response.status, bool(response.read())) == (200, True)
            return serial
        finally:
            connection.close()


@pytest.fixture
def issuer():
    with issuer_in_thread() as running:
        yield running


def test_renewals_under_load_drop_nobody(tmp_path, issuer):
    """Each new pair is met, with SIGHUP or by the next look, and every request is answered."""
    authorities = [trustme.CA() for _ in range(RENEWALS + 1)]
    files = tmp_path / "tls"
    cert, key = write_pair(files, authorities[0], "localhost")
    more = {"CODEX_BROKER_TLS_CERT": str(cert), "CODEX_BROKER_TLS_KEY": str(key)}
    with running_daemon(tmp_path, issuer.url, **more) as daemon:
        assert daemon.stop() == 0
        daemon.start("serve")
        daemon.hold(issuer.mint(), "work")
        api_key = daemon.add_client("laptop", "work")
        port = int(daemon.url.rpartition(":")[2])
        callers = Callers(port, api_key, client_trusting(*authorities))
        with ThreadPoolExecutor(CALLERS) as pool:
            for _ in range(CALLERS):
                pool.submit(callers.run)
            try:
                for number, authority in enumerate(authorities[1:], start=1):
                    # A key without its certificate for a while, as a renewal leaves it.
                    new_cert, new_key = write_pair(tmp_path / f"new{number}", authority, "localhost")
                    new_key.replace(key)
                    if number % 2:
                        daemon.process.send_signal(signal.SIGHUP)
                    until_sync(lambda: daemon.log.count("tls_files_not_taken_up") >= number)  # noqa: B023 - at once
                    new_cert.replace(cert)
                    if number % 2:
                        daemon.process.send_signal(signal.SIGHUP)
                    until_sync(lambda: len(callers.seen) > number)  # noqa: B023 - same
            finally:
                callers.over.set()
        assert callers.failures == []
        assert len(callers.seen) == RENEWALS + 1
        assert daemon.stop() == 0
