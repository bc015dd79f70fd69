"""Exit codes of ``codex-broker`` as a daemon, and of commands that meet a running one."""

import json
import signal
import socket
import subprocess
from itertools import count
from pathlib import Path

import pytest

from tests.contract.table import BROKER, case, cases_of, check
from tests.support.command import Ran
from tests.support.daemon import Daemon, running_daemon
from tests.support.issuer import Issuer
from tests.support.programs import Machine, ended
from tests.support.wait import until_sync

_numbers = count(1)


class Stage(Machine):
    """A person with no broker yet, and somebody else's that runs.

    Attributes:
        running: the daemon that runs; it holds account work.
    """

    def __init__(self, root: Path, issuer: Issuer, running: Daemon) -> None:
        super().__init__(root)
        self.issuer = issuer
        self.running = running
        self.own = Daemon(self, issuer.url)

    def ends(self, *words: str, number: int = signal.SIGTERM) -> Ran:
        """Start a daemon of one's own, wait until it is ready, end it by a signal."""
        self.own.start(*words)
        self.own.process.send_signal(number)
        code = self.own.process.wait(60)
        lines = [line for line in self.own.log.splitlines() if not line.startswith("{")]
        return Ran(code, self.own.out if code == 0 else "", "\n".join(lines))


@pytest.fixture(scope="module")
def running(tmp_path_factory, shared_issuer):
    with running_daemon(tmp_path_factory.mktemp("running"), shared_issuer.url) as daemon:
        daemon.hold(shared_issuer.mint(), "work")
        yield daemon


@pytest.fixture
def stage(tmp_path, shared_issuer, running):
    return Stage(tmp_path, shared_issuer, running)


@case(BROKER, 0, "up: SIGTERM", says="ready http://127.0.0.1:")
def _(stage: Stage) -> Ran:
    return stage.ends("up")


@case(BROKER, 130, "up: Ctrl-C")
def _(stage: Stage) -> Ran:
    return stage.ends("up", number=signal.SIGINT)


@case(BROKER, 0, "up: a second run re-uses the home", says="ready http://127.0.0.1:")
def _(stage: Stage) -> Ran:
    stage.own.start("up")
    stage.own.hold(stage.issuer.mint(), "work")
    assert stage.own.stop() == 0
    ran = stage.ends("up")
    assert json.loads(stage.broker("account", "list", "--json").out)[0]["account"] == "work"
    return ran


@case(BROKER, 0, "serve: SIGTERM", says="ready http://127.0.0.1:")
def _(stage: Stage) -> Ran:
    assert stage.broker("init").code == 0
    return stage.ends("serve")


@case(BROKER, 2, "serve: there is no home", says="no broker home", hint="codex-broker init")
def _(stage: Stage) -> Ran:
    return stage.broker("serve")


def _busy() -> None:
    for command in ("up", "up --sandbox", "sandbox"):

        @case(BROKER, 2, f"{command}: a busy port", says="port", hint="--port")
        def _(stage: Stage, command: str = command) -> Ran:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                port = str(listener.getsockname()[1])
                ran = stage.broker(*command.split(), "--port", port)
                assert port in ran.err
                return ran


_busy()


@case(BROKER, 2, "up: a second daemon on the home", says="already running", hint="--home")
def _(stage: Stage) -> Ran:
    ran = stage.broker("up", "--home", str(stage.running.home))
    assert f"pid {stage.running.process.pid}" in ran.err
    return ran


@case(BROKER, 130, "sandbox: Ctrl-C")
def _(stage: Stage) -> Ran:
    process = stage.start(BROKER, "sandbox", "--port", "0")
    assert process.stdout is not None
    assert process.stdout.readline().startswith("sandbox http://127.0.0.1:")
    process.send_signal(signal.SIGINT)
    ran = ended(process)
    return Ran(ran.code, "", ran.err)


# In mid-exchange.


def refreshing(stage: Stage, home: Path) -> subprocess.Popen[str]:
    """Start a forced refresh and return once the issuer holds its answer back."""
    stage.issuer.fault("hold")
    process = stage.start(BROKER, "account", "refresh", "work", "--force", "--home", str(home))
    stage.issuer.until_held()
    return process


@case(BROKER, 5, "account refresh --force: in flight", says="in flight", hint="account replay work")
def _(stage: Stage) -> Ran:
    process = refreshing(stage, stage.running.home)
    ran = stage.running.admin("account", "refresh", "work", "--force")
    stage.issuer.release()
    assert ended(process).code == 0
    return ran


@case(BROKER, 5, "account remove: in flight", says="being refreshed")
def _(stage: Stage) -> Ran:
    process = refreshing(stage, stage.running.home)
    ran = stage.running.admin("account", "remove", "work")
    stage.issuer.release()
    assert ended(process).code == 0
    return ran


@case(BROKER, 130, "account refresh --force: Ctrl-C, by way of the daemon")
def _(stage: Stage) -> Ran:
    before = generation(stage.running)
    process = refreshing(stage, stage.running.home)
    process.send_signal(signal.SIGINT)
    ran = ended(process)
    stage.issuer.release()
    until_sync(lambda: generation(stage.running) == before + 1)
    return ran


def generation(daemon: Daemon) -> int:
    return int(daemon.call("account_show", name="work")["generation"])


@case(BROKER, 130, "account refresh --force: Ctrl-C, without a daemon")
def _(stage: Stage) -> Ran:
    document = json.dumps(stage.issuer.mint().document)
    assert stage.broker("init").code == 0
    imported = stage.broker("account", "import", "-", "--name", "work", "--sole-owner", stdin=document)
    assert imported.code == 0
    process = refreshing(stage, stage.own.home)
    process.send_signal(signal.SIGINT)
    stage.issuer.release()
    ran = ended(process)
    shown = json.loads(stage.broker("account", "show", "work", "--json").out)
    assert (shown["generation"], shown["state"]) == (1, "active")
    return ran


# What a person decides over a refresh token.


def doubtful(stage: Stage, fault: str) -> str:
    """Have a live account in doubt after an exchange that met a fault; return its name."""
    name = f"doubtful{next(_numbers)}"
    login = stage.issuer.mint()
    stage.running.hold(login, name)
    stage.issuer.fault(fault, login_id=login.login_id)
    ran = stage.running.admin("account", "refresh", name, "--force")
    assert f"account replay {name}" in ran.err
    return name


@case(BROKER, 0, "account replay --yes", says="active again")
def _(stage: Stage) -> Ran:
    return stage.running.admin("account", "replay", doubtful(stage, "500"), "--yes")


@case(BROKER, 2, "account replay: without --yes", says="ends the whole login", hint="--yes")
def _(stage: Stage) -> Ran:
    return stage.running.admin("account", "replay", doubtful(stage, "500"))


@case(BROKER, 2, "account replay: not in doubt", says="not in doubt", hint="account show")
def _(stage: Stage) -> Ran:
    return stage.running.admin("account", "replay", "work", "--yes")


@case(BROKER, 3, "account replay: the first sending had succeeded", hint="log in again")
def _(stage: Stage) -> Ran:
    return stage.running.admin("account", "replay", doubtful(stage, "commit-then-500"), "--yes")


@case(BROKER, 0, "account export --with-refresh-token", says='"refresh_token": "rt')
def _(stage: Stage) -> Ran:
    name = f"exported{next(_numbers)}"
    stage.running.hold(stage.issuer.mint(), name)
    return stage.running.admin("account", "export", name, "--with-refresh-token")


@case(BROKER, 2, "account export: without --with-refresh-token", hint="--with-refresh-token")
def _(stage: Stage) -> Ran:
    return stage.running.admin("account", "export", "work")


@case(BROKER, 5, "account export: in doubt", says="in doubt")
def _(stage: Stage) -> Ran:
    return stage.running.admin("account", "export", doubtful(stage, "500"), "--with-refresh-token")


@pytest.mark.parametrize("row", cases_of(__name__), ids=str)
def test_the_program_ends_as_the_contract_says(row, stage):
    """Exit code, one line of error, one hint, nothing on stdout."""
    check(row, row.act(stage))
