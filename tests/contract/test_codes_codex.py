"""Exit codes of ``codex setup`` and ``codex undo``: a real broker, and a machine that has its key."""

import json
import re
from pathlib import Path

import pytest

from tests.contract.table import FETCHTOKEN, case, cases_of, check
from tests.support.command import Ran
from tests.support.daemon import Daemon, running_daemon
from tests.support.peers import closed_port
from tests.support.programs import Machine
from tests.support.setting_up import recording_systemctl

COMMAND = ("--mode", "command")


class Stage(Machine):
    """A machine whose settings file names the broker, with a service manager that only records."""

    def __init__(self, root: Path, url: str, key: str) -> None:
        super().__init__(root)
        recording_systemctl(root / "bin")
        self.environ["PATH"] = f"{root / 'bin'}:{self.environ['PATH']}"
        self.write("key", key)
        self.settings = self.write(
            ".config/codex-fetchtoken/scorpiox-env.txt",
            f"CODEX_TOKEN_SOURCE=remote\nCODEX_REMOTE_URL={url}\nCODEX_REMOTE_API_KEY_FILE={self.home}/key\n",
        )

    def setup(self, *words: str, **more: str) -> Ran:
        return self.fetch("codex", "setup", *words, **more)

    def configure(self, text: str) -> None:
        self.write(".codex/config.toml", text)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory, shared_issuer):
    with running_daemon(tmp_path_factory.mktemp("codex"), shared_issuer.url) as daemon:
        daemon.hold(shared_issuer.mint(email="work@x.example"), "work")
        yield daemon


@pytest.fixture(scope="module")
def key(daemon: Daemon) -> str:
    return daemon.add_client("laptop", "work")


@pytest.fixture
def stage(tmp_path, daemon, key):
    return Stage(tmp_path, daemon.url, key)


@case(FETCHTOKEN, 0, "codex setup", hint="codex undo takes all this back", notes=5)
def _(stage: Stage) -> Ran:
    ran = stage.setup()
    assert stage.fetch("--source", "local").code == 0
    return ran


@case(FETCHTOKEN, 0, "codex setup --mode command", hint="now has model_provider", notes=3)
def _(stage: Stage) -> Ran:
    return stage.setup(*COMMAND)


@case(FETCHTOKEN, 0, "codex setup --mode endpoint", says="export CODEX_REVOKE_TOKEN_URL_OVERRIDE=", notes=4)
def _(stage: Stage) -> Ran:
    return stage.setup("--mode", "endpoint", "--name", stage.home.parent.name[:60])


@case(FETCHTOKEN, 0, "codex setup --print", says="ExecStart=")
def _(stage: Stage) -> Ran:
    ran = stage.setup("--print")
    assert not stage.auth_file.exists()
    return ran


@case(FETCHTOKEN, 0, "codex setup: the source is local", hint="nothing to do", notes=2)
def _(stage: Stage) -> Ran:
    return stage.fetch("--source", "local", "codex", "setup")


@case(FETCHTOKEN, 8, "codex setup: an account that a repository chose", hint="config trust")
def _(stage: Stage) -> Ran:
    file = stage.write("project/scorpiox-env.txt", "CODEX_ACCOUNT=work\n")
    ran = stage.fetch("codex", "setup", *COMMAND, cwd=file.parent)
    assert not (stage.home / ".codex").exists()
    return ran


@case(FETCHTOKEN, 0, "codex undo", hint="lost model_provider", notes=3)
def _(stage: Stage) -> Ran:
    assert stage.setup(*COMMAND).code == 0
    return stage.fetch("codex", "undo")


@case(FETCHTOKEN, 0, "codex undo: nothing was set up", hint="nothing to undo", notes=1)
def _(stage: Stage) -> Ran:
    return stage.fetch("codex", "undo")


@case(FETCHTOKEN, 2, "codex setup: a mode, and the source is local", says="the source is local")
def _(stage: Stage) -> Ran:
    return stage.fetch("--source", "local", "codex", "setup", *COMMAND)


@case(FETCHTOKEN, 2, "codex setup: an unknown mode", says="--mode: 'magic'", hint="file")
def _(stage: Stage) -> Ran:
    return stage.setup("--mode", "magic")


@case(FETCHTOKEN, 2, "codex setup: a model_provider of one's own", says="model_provider is", hint="--force")
def _(stage: Stage) -> Ran:
    stage.configure('model_provider = "mine"\n')
    return stage.setup(*COMMAND)


@case(FETCHTOKEN, 2, "codex setup: Codex keeps its login in the keyring", says="is keyring", hint="--force")
def _(stage: Stage) -> Ran:
    stage.configure('cli_auth_credentials_store = "keyring"\n')
    return stage.setup()


@case(FETCHTOKEN, 2, "codex setup: config.toml is not TOML", says="config.toml is not TOML", hint="correct")
def _(stage: Stage) -> Ran:
    stage.configure("model =\n")
    return stage.setup(*COMMAND)


@case(FETCHTOKEN, 2, "codex setup: a key that no timer finds", says="CODEX_REMOTE_API_KEY", hint="config set")
def _(stage: Stage) -> Ran:
    return stage.setup(CODEX_REMOTE_API_KEY=(stage.home / "key").read_text())


@case(
    FETCHTOKEN, 2, "codex setup: an endpoint, and the source is ssh", says="the source is ssh", hint="remote"
)
def _(stage: Stage) -> Ran:
    return stage.fetch("--source", "ssh", "codex", "setup", "--mode", "endpoint")


@case(
    FETCHTOKEN, 2, "codex setup: a variable leads Codex elsewhere", says="leads Codex elsewhere", hint="unset"
)
def _(stage: Stage) -> Ran:
    elsewhere = {"CODEX_REFRESH_TOKEN_URL_OVERRIDE": "https://elsewhere.example"}
    return stage.setup("--mode", "endpoint", **elsewhere)


@case(FETCHTOKEN, 5, "codex setup: broker down", says="127.0.0.1")
def _(stage: Stage) -> Ran:
    with closed_port() as port:
        return stage.setup(*COMMAND, CODEX_REMOTE_URL=f"http://127.0.0.1:{port}")


@case(FETCHTOKEN, 5, "codex undo: the broker does not end the credential", says="cannot connect", notes=2)
def _(stage: Stage) -> Ran:
    assert stage.setup("--mode", "endpoint", "--name", "left").code == 0
    with closed_port() as port:
        dead = f"http://127.0.0.1:{port}"
        [record] = (stage.home / ".local/state/codex-fetchtoken").glob("*.json")
        for file in (record, stage.auth_file):
            file.write_text(re.sub(r"http://127\.0\.0\.1:\d+", dead, file.read_text()))
        return stage.fetch("codex", "undo")


@case(FETCHTOKEN, 6, "codex setup: the key is refused", says="refused the request")
def _(stage: Stage) -> Ran:
    stage.write("key", "cbk_nobody_has_it")
    return stage.setup()


@case(FETCHTOKEN, 7, "codex undo: a damaged record", says="no record of a setup", hint="less")
def _(stage: Stage) -> Ran:
    assert stage.setup(*COMMAND).code == 0
    [record] = (stage.home / ".local/state/codex-fetchtoken").glob("*.json")
    record.write_text("{}")
    return stage.fetch("codex", "undo")


@case(FETCHTOKEN, 8, "codex setup: the file holds a refresh token", says="refresh token", hint="adopt")
def _(stage: Stage) -> Ran:
    tokens = {"access_token": "x", "refresh_token": "rt_x"}
    stage.write(".codex/auth.json", json.dumps({"tokens": tokens}))
    return stage.setup()


@case(FETCHTOKEN, 8, "codex setup: config.toml is hard-linked", says="hard-linked")
def _(stage: Stage) -> Ran:
    stage.configure("")
    (stage.home / "other").hardlink_to(stage.home / ".codex/config.toml")
    return stage.setup(*COMMAND)


@pytest.mark.parametrize("row", cases_of(__name__), ids=str)
def test_the_programs_end_as_the_contract_says(row, stage):
    """Exit code, one line of error, one hint; the notes count what was done."""
    check(row, row.act(stage))
