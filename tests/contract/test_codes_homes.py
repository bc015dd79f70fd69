"""Exit codes of ``codex-broker`` for its settings and its home, without a daemon."""

import os
import shutil
from pathlib import Path

import pytest

from tests.contract.table import BROKER, case, cases_of, check
from tests.support.command import Ran
from tests.support.daemon import Daemon
from tests.support.need import need_root
from tests.support.peers import closed_port
from tests.support.programs import Machine

ELSEWHERE = {"CODEX_BROKER_ISSUER_URL": "https://issuer.example"}
ANYWHERE = "0.0.0.0"  # noqa: S104 - it is refused
STRANGER = 12_345


class Stage(Machine):
    """A person with a broker home of their own, and no daemon."""

    def __init__(self, root: Path, made: Path, issuer_url: str) -> None:
        super().__init__(root)
        self.broker_home = Daemon(self, issuer_url).home
        shutil.copytree(made, self.broker_home)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A home as ``init`` makes it."""
    machine = Machine(tmp_path_factory.mktemp("made"))
    home = machine.home / "made"
    assert machine.broker("init", "--home", str(home)).code == 0
    return home


@pytest.fixture
def stage(tmp_path, made, shared_issuer):
    return Stage(tmp_path, made, shared_issuer.url)


@case(BROKER, 0, "init", says="made")
def _(stage: Stage) -> Ran:
    return stage.broker("init", "--home", str(stage.home / "new"))


@case(BROKER, 0, "init: a second time", says="there is already")
def _(stage: Stage) -> Ran:
    return stage.broker("init")


@case(BROKER, 0, "account list: without a daemon", hint="no accounts yet")
def _(stage: Stage) -> Ran:
    return stage.broker("account", "list")


@case(BROKER, 0, "check --json", says='"check": "issuer"')
def _(stage: Stage) -> Ran:
    return stage.broker("check", "--json")


# Usage and configuration.


@case(BROKER, 2, "there is no home", says="missing", hint="codex-broker init")
def _(stage: Stage) -> Ran:
    return stage.broker("account", "list", "--home", str(stage.home / "missing"))


def _settings() -> None:
    for what, text, environ, says in [
        ("an unknown key", '[server]\nhots = "::1"\n', {}, "server.hots"),
        ("an unknown section", "[sevrer]\nport = 1\n", {}, "sevrer"),
        ("an unknown variable", "", {"CODEX_BROKER_SERVER_HOTS": "1"}, "CODEX_BROKER_SERVER_HOTS"),
        ("a value that is none", "[refresh]\nat = 2\n", {}, "refresh.at"),
        ("no TOML", "server = \n", {}, "broker.toml"),
        ("another database", '[store]\nurl = "postgresql://x:hunter2@db/x"\n', {}, "store.url"),
        ("a rehearsal's clock", "[clock]\noffset = 9\n", ELSEWHERE, "clock.offset"),
    ]:

        @case(BROKER, 2, f"settings: {what}", says=says)
        def _(stage: Stage, text: str = text, environ: dict[str, str] = environ) -> Ran:
            (stage.broker_home / "broker.toml").write_text(text)
            ran = stage.broker("serve", **environ)
            assert "hunter2" not in ran.err
            return ran


_settings()


@case(BROKER, 4, "--config: no such file", says="/no/such")
def _(stage: Stage) -> Ran:
    return stage.broker("serve", "--config", "/no/such/broker.toml")


@case(BROKER, 2, "the master key is gone", says="master.key", hint="bring the key file back")
def _(stage: Stage) -> Ran:
    (stage.broker_home / "master.key").unlink()
    return stage.broker("up")


@case(BROKER, 5, "check: the issuer is down", says="issuer")
def _(stage: Stage) -> Ran:
    with closed_port() as port:
        ran = stage.broker("check", CODEX_BROKER_ISSUER_URL=f"http://127.0.0.1:{port}")
    assert "issuer" in ran.out
    return Ran(ran.code, "", ran.err)


@case(BROKER, 7, "the master key is nonsense", says="master.key")
def _(stage: Stage) -> Ran:
    (stage.broker_home / "master.key").write_text("{}")
    return stage.broker("account", "list")


# Modes, owners, addresses.


def _modes() -> None:
    for what, name, mode in [("home", "", 0o755), ("master key", "master.key", 0o644)]:

        @case(BROKER, 8, f"the {what} is open to others", hint="chmod")
        def _(stage: Stage, name: str = name, mode: int = mode) -> Ran:
            (stage.broker_home / name).chmod(mode)
            return stage.broker("account", "list")


_modes()


@case(BROKER, 2, "key rotate: systemd's copy of the key", says="cannot be changed there", hint="COPY")
def _(stage: Stage) -> Ran:
    return stage.broker("key", "rotate", CREDENTIALS_DIRECTORY=str(stage.broker_home))


@case(BROKER, 8, "the home is another user's", hint="run as its owner")
def _(stage: Stage) -> Ran:
    need_root("homes of other owners")
    os.chown(stage.broker_home, STRANGER, STRANGER)
    return stage.broker("account", "list")


@case(BROKER, 8, "plain http to an issuer elsewhere", says="plain text", hint="https")
def _(stage: Stage) -> Ran:
    return stage.broker("serve", CODEX_BROKER_ISSUER_URL="http://issuer.example")


@case(BROKER, 8, "plain http from elsewhere", says=ANYWHERE, hint="127.0.0.1")
def _(stage: Stage) -> Ran:
    return stage.broker("serve", "--host", ANYWHERE)


@pytest.mark.parametrize("row", cases_of(__name__), ids=str)
def test_the_program_ends_as_the_contract_says(row, stage):
    """Exit code, one line of error, one hint, nothing on stdout."""
    check(row, row.act(stage))
