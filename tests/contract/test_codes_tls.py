"""Exit codes for TLS: a daemon's own certificate, and commands that meet it."""

import socket
from pathlib import Path

import pytest
import trustme

from tests.contract.table import BROKER, FETCHTOKEN, case, cases_of, check
from tests.support.authority import ends_in, write_pair
from tests.support.command import Ran
from tests.support.daemon import Daemon, running_daemon
from tests.support.issuer import Issuer
from tests.support.programs import Machine

HOST = "broker.example.com"
PUBLIC = {"CODEX_BROKER_SERVER_HOST": "0.0.0.0", "CODEX_BROKER_SERVER_PORT": "0"}  # noqa: S104 - the subject


class Stage(Machine):
    """A person with a broker home, and another whose broker serves https for localhost.

    Attributes:
        ca: whose certificates these are.
        secure: the daemon that runs; it holds account work.
    """

    def __init__(self, root: Path, issuer: Issuer, ca: trustme.CA, secure: Daemon, key: str) -> None:
        super().__init__(root)
        self.ca, self.secure = ca, secure
        self.own = Daemon(self, issuer.url)
        self.ca_file = self.write("ca.pem", ca.cert_pem.bytes())
        self.remote = {
            "CODEX_TOKEN_SOURCE": "remote",
            "CODEX_REMOTE_URL": secure.url.replace("127.0.0.1", "localhost"),
            "CODEX_REMOTE_API_KEY": key,
        }

    def pair(self, *names: str, **life: object) -> tuple[Path, Path]:
        """Make a home whose settings name a new certificate; return its files."""
        assert self.broker("init").code == 0
        cert, key = write_pair(self.home / "tls", self.ca, *(names or (HOST,)), **life)  # type: ignore[arg-type]
        self.environ |= {"CODEX_BROKER_TLS_CERT": str(cert), "CODEX_BROKER_TLS_KEY": str(key)}
        return cert, key


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def secure(tmp_path_factory, shared_issuer, authority):
    root = tmp_path_factory.mktemp("secure")
    cert, key = write_pair(root / "tls", authority, "localhost")
    tls = {"CODEX_BROKER_TLS_CERT": str(cert), "CODEX_BROKER_TLS_KEY": str(key)}
    with running_daemon(root, shared_issuer.url, **tls) as daemon:
        daemon.hold(shared_issuer.mint(), "work")
        yield daemon


@pytest.fixture(scope="module")
def key(secure):
    return secure.add_client("laptop", "work")


@pytest.fixture
def stage(tmp_path, shared_issuer, authority, secure, key):
    return Stage(tmp_path, shared_issuer, authority, secure, key)


# The daemon.


@case(BROKER, 0, "serve: https", says="ready https://0.0.0.0:")
def _(stage: Stage) -> Ran:
    stage.pair()
    stage.own.start("serve", **PUBLIC)
    assert stage.own.stop() == 0
    return Ran(0, stage.own.out, "")


@case(BROKER, 8, "serve: a public address in plain text", says="plain text", hint="tls.cert")
def _(stage: Stage) -> Ran:
    assert stage.broker("init").code == 0
    return stage.broker("serve", **PUBLIC)


@case(BROKER, 2, "serve: tls.cert without tls.key", says="tls.key is not", hint="both")
def _(stage: Stage) -> Ran:
    assert stage.broker("init").code == 0
    return stage.broker("serve", CODEX_BROKER_TLS_CERT="/x")


@case(BROKER, 2, "serve: the key of another certificate", says="is not the key of", hint="one certificate")
def _(stage: Stage) -> Ran:
    _, key = stage.pair()
    _, other = write_pair(stage.home / "other", stage.ca, HOST)
    other.replace(key)
    return stage.broker("serve")


@case(BROKER, 2, "serve: no such certificate", says="tls.crt cannot be read", hint="tls.cert")
def _(stage: Stage) -> Ran:
    cert, _ = stage.pair()
    cert.unlink()
    return stage.broker("serve")


@case(BROKER, 8, "serve: the certificate's key is open to others", says="readable", hint="chmod 600")
def _(stage: Stage) -> Ran:
    _, key = stage.pair()
    key.chmod(0o644)
    return stage.broker("serve")


@case(BROKER, 0, "check: a certificate", says=f"{HOST}, until ")
def _(stage: Stage) -> Ran:
    stage.pair()
    return stage.broker("check", CODEX_BROKER_SERVER_PUBLIC_URL=f"https://{HOST}")


def _checked() -> None:
    for cause, code, names, life, says, hint in [
        ("a certificate for another host", 2, ["other.example.com"], {}, f"not for {HOST}", "public_url"),
        ("a certificate that ends in days", 5, [HOST], {"not_after": ends_in(10.5)}, "in 10 days", "renew"),
        ("a certificate that has expired", 5, [HOST], {"not_after": ends_in(-1)}, "expired on", "renew"),
    ]:

        @case(BROKER, code, f"check: {cause}", says=says, hint=hint)
        def _(stage: Stage, names: list[str] = names, life: dict[str, object] = life) -> Ran:
            if life:
                life = {"not_before": ends_in(-30), **life}
            stage.pair(*names, **life)
            ran = stage.broker("check", CODEX_BROKER_SERVER_PUBLIC_URL=f"https://{HOST}")
            lines = [line for line in ran.out.splitlines() if line.split()[1] == "no"]
            assert [line.split()[0] for line in lines] == ["tls"]
            return Ran(ran.code, "", ran.err)


_checked()


# The command.


@case(FETCHTOKEN, 0, "remote: a token over TLS, by a private authority", says="ey")
def _(stage: Stage) -> Ran:
    return stage.fetch(**stage.remote, CODEX_REMOTE_CA_FILE=str(stage.ca_file))


@case(FETCHTOKEN, 5, "remote: an unknown authority", says="certificate", hint="CODEX_CA_CERTIFICATE")
def _(stage: Stage) -> Ran:
    return stage.fetch(**stage.remote)


@case(FETCHTOKEN, 5, "remote: a certificate for another name", says="certificate")
def _(stage: Stage) -> Ran:
    url = stage.remote["CODEX_REMOTE_URL"].replace("localhost", "127.0.0.1")
    more = {"CODEX_REMOTE_URL": url, "CODEX_REMOTE_CA_FILE": str(stage.ca_file)}
    return stage.fetch(**{**stage.remote, **more})


@case(FETCHTOKEN, 5, "remote: plain http to a port that speaks TLS")
def _(stage: Stage) -> Ran:
    url = stage.remote["CODEX_REMOTE_URL"].replace("https", "http")
    return stage.fetch(**{**stage.remote, "CODEX_REMOTE_URL": url})


@pytest.mark.parametrize("row", cases_of(__name__), ids=str)
def test_the_program_ends_as_the_contract_says(row, stage):
    """Exit code, one line of error, one hint, nothing on stdout."""
    check(row, row.act(stage))


def test_plain_http_and_nonsense_leave_no_mark(secure):
    """Whoever speaks no TLS is hung up on; the log has no traceback, and the next caller is served."""
    port = int(secure.url.rpartition(":")[2])
    for sent in (b"GET /codex HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x16\x03\x01\x00\x02hi", b""):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.settimeout(20)
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            assert b"HTTP/1.1 200" not in connection.recv(65536)
    assert "Traceback" not in secure.log
