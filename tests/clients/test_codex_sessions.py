"""The real Codex CLI in mid-session, by all three ways: rotations, revocations, a broker that is away.

A session is two or three requests with a tool's use between them; what happens, happens there. Where two ways
differ in nothing that a test looks at, it tries one: a restart of the broker is dear.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest

from fetchtoken.domain.secret import Secret
from tests.clients.conftest import BIN
from tests.support.codex_cli import worked
from tests.support.codex_files import held

COMMAND = str(BIN / "codex-fetchtoken")
CREDENTIAL = ["machine", "device"]
"""With Codex's variables; and as a device login leaves it, where provenance alone leads to the broker."""

MODES = [*CREDENTIAL, "file", "command"]
NO_VARIABLES = {"CODEX_REFRESH_TOKEN_URL_OVERRIDE": "", "CODEX_REVOKE_TOKEN_URL_OVERRIDE": ""}


class Session:
    """A machine that works in one of the three modes.

    Attributes:
        machine: which is enrolled.
        variables: of Codex's environment.
    """

    def __init__(self, office, codex, fetchtoken, mode, **wishes):
        self.machine, self.codex, self.mode = office.enrol(**wishes), codex, mode
        self._fetchtoken = fetchtoken
        self.first = self.machine.token()
        variables = {"machine": self.machine.environment, "command": self.machine.remote}
        self.variables = variables.get(mode, NO_VARIABLES)
        codex.backend.accept(self.first)
        if mode == "command":
            codex.use_command(COMMAND, "--timeout", "4")
        else:
            codex.use_auth_file()
        provenance = {"issuer": office.daemon.url, "client_id": "app_x"}
        if mode in CREDENTIAL:
            more = {"oauth_provenance": provenance} if mode == "device" else {}
            self.machine.write(codex.home, self.first, **more)
        self.sync()

    def sync(self):
        """Do what the timer does, where the file is the way."""
        if self.mode == "file":
            self._fetchtoken(self.machine, "sync", "--codex-home", str(self.codex.home))

    def rotate(self):
        """Have the token exchanged; the backend refuses the former one where a model is asked."""
        self.codex.backend.accept(self.machine.rotate(), elsewhere=self.first)

    def run(self):
        return self.codex.run(**self.variables)

    @property
    def seen(self):
        """Which token each request had, the first or another, and its status."""
        first = Secret(self.first).fingerprint()
        return [(each.bearer == first, each.status) for each in self.codex.backend.responses]


@pytest.fixture(params=MODES)
def session(request, office, codex, fetchtoken):
    return Session(office, codex, fetchtoken, request.param)


@pytest.fixture
def served(office):
    """The broker serves again when the test has ended."""
    yield office.daemon
    if office.daemon.process.poll() is not None:
        office.daemon.start()


def test_a_rotation_in_mid_session(session):
    """One request is refused, and the very session goes on with the newer token; there was one exchange."""

    def rotated():
        session.rotate()
        session.sync()

    session.codex.backend.meanwhile(lambda: None, rotated)
    run = session.run()
    assert worked(run), run.stderr
    # A machine's own Codex first reads its file again, and shows the refused token once more.
    refused = 1 + (session.mode in CREDENTIAL)
    assert session.seen == [(True, 200)] * 2 + [(True, 401)] * refused + [(False, 200)]
    assert session.machine.exchanges == 1
    assert session.codex.backend.token_requests == []


@pytest.mark.parametrize("session", ["file", "command"], indirect=True)
def test_six_at_once_on_one_home(session):
    """All six succeed on a token that lives; none asks for another, and nothing is exchanged."""
    with ThreadPoolExecutor(6) as pool:
        runs = list(pool.map(lambda _: session.run(), range(6)))
    assert [worked(run) for run in runs] == [True] * 6
    assert session.seen == [(True, 200)] * 6
    assert session.machine.refreshes == []
    assert session.machine.exchanges == 0


def test_a_rotation_that_the_backend_does_not_mind(session):
    """Where the former token is good until its end, no session notices anything, and nothing is asked for."""

    def rotated():
        session.machine.rotate()
        session.sync()

    session.codex.backend.meanwhile(rotated)
    assert worked(session.run())
    assert session.seen == [(True, 200)] * 2
    assert session.machine.refreshes == []


@pytest.mark.parametrize("session", ["device", "command"], indirect=True)
def test_a_restart_of_the_broker_in_mid_session(session, served):
    """It is killed and comes back between two requests, and then asked for the newer token."""

    def restarted():
        session.rotate()
        served.kill()
        served.start()

    session.codex.backend.meanwhile(restarted)
    run = session.run()
    assert worked(run), run.stderr
    assert session.seen[-1] == (False, 200)
    assert session.machine.exchanges == 1


@pytest.mark.parametrize("session", ["machine", "file"], indirect=True)
def test_a_restart_of_the_broker_between_two_runs(session, served):
    """A daemon that is new knows every machine, and exchanges nothing for it."""
    assert worked(session.run())
    served.stop()
    served.start()
    session.sync()
    assert worked(session.run())
    assert session.machine.exchanges == 0


@pytest.mark.parametrize("session", ["device", "file", "command"], indirect=True)
def test_an_outage_shorter_than_the_token_goes_unnoticed(session, served):
    """With the broker down before and during a run every turn works, by each way."""
    assert worked(session.run())
    served.stop()
    session.codex.backend.meanwhile(lambda: None)
    run = session.run()
    assert worked(run), run.stderr
    assert set(session.seen) == {(True, 200)}


@pytest.mark.parametrize("session", ["machine"], indirect=True)
def test_an_outage_when_a_token_is_needed_ends_a_run_and_no_login(session, served):
    """The run says that a refresh failed, not that somebody must log in; later the same file works."""

    def away():
        session.rotate()
        served.stop()

    session.codex.backend.meanwhile(away)
    run = session.run()
    assert run.returncode == 1
    assert f"error sending request for url ({served.url}/oauth/token)" in run.stderr
    assert "sign in again" not in run.stderr
    served.start()
    assert worked(session.run())
    file = session.codex.home / "auth.json"
    assert held(file)["refresh_token"] == session.machine.credential


@pytest.mark.parametrize("session", ["device"], indirect=True)
def test_a_machine_that_is_revoked_in_mid_session(session, office):
    """It works on while its token is taken and is told at the first refusal; the account's others go on."""
    other = office.enrol(of=session.machine)

    def revoked():
        office.daemon.call("client_revoke", name=session.machine.name)

    def refused():
        session.codex.backend.accept("another's token", elsewhere=session.first)

    session.codex.backend.meanwhile(revoked, refused)
    run = session.run()
    assert run.returncode == 1
    assert "your refresh token was revoked" in run.stderr
    assert [status for _, status in session.seen] == [200, 200, 401, 401]
    assert other.token() == session.first
    assert session.machine.exchanges == 0


@pytest.mark.parametrize("session", ["command"], indirect=True)
def test_a_key_that_is_revoked_in_mid_session(session, office):
    """The command has nothing to print any more; what it says ends the turn, and its copy is gone."""

    def revoked():
        office.daemon.call("client_revoke", name=session.machine.name)
        session.codex.backend.accept("another's token", elsewhere=session.first)

    session.codex.backend.meanwhile(revoked)
    run = session.run()
    assert run.returncode == 1
    assert "codex-fetchtoken: " in run.stderr
    assert session.machine.key not in run.stderr
    assert session.run().returncode == 1
    assert (False, 200) not in session.seen
