"""Exit codes of ``codex-broker backup`` and ``restore``, beside a daemon that runs."""

import os
import shutil
from pathlib import Path

import pytest

from tests.contract.table import BROKER, case, cases_of, check
from tests.support.command import Ran
from tests.support.daemon import Daemon, running_daemon
from tests.support.issuer import Issuer
from tests.support.need import need_root
from tests.support.places import tmpfs
from tests.support.programs import Machine

STRANGER = 12_345
WORDS = "correct horse battery"


class Stage(Machine):
    """A person with a daemon and with two backups of it, one of which has the key inside."""

    def __init__(self, root: Path, issuer: Issuer, daemon: Daemon) -> None:
        super().__init__(root)
        self.environ |= {"CODEX_BROKER_HOME": str(daemon.home), "CODEX_BROKER_ISSUER_URL": issuer.url}
        self.origin = daemon.home
        self.second = self.home / "second"
        kept = daemon.machine.home
        self.backup = str(shutil.copy(kept / "store.backup", self.home))
        self.keyed = str(shutil.copy(kept / "keyed.backup", self.home))
        self.words = str(self.write("words", WORDS))

    def with_key(self) -> None:
        """Bring the master key to where the second home is going to be."""
        self.second.mkdir(mode=0o700)
        shutil.copy(self.origin / "master.key", self.second)

    def restore(self, *words: str) -> Ran:
        return self.broker("restore", *words, "--home", str(self.second))

    def spoiled(self, content: bytes) -> str:
        return str(self.write("spoiled.backup", content))


@pytest.fixture(scope="module")
def running(tmp_path_factory, shared_issuer):
    """A daemon with an account, and backups of it."""
    with running_daemon(tmp_path_factory.mktemp("running"), shared_issuer.url) as daemon:
        daemon.hold(shared_issuer.mint(), "work")
        words = daemon.machine.write("words", WORDS)
        options = ("--with-key", "--passphrase-file", str(words))
        assert daemon.admin("backup", str(daemon.machine.home / "store.backup")).code == 0
        assert daemon.admin("backup", str(daemon.machine.home / "keyed.backup"), *options).code == 0
        yield daemon


@pytest.fixture
def stage(tmp_path, shared_issuer, running):
    return Stage(tmp_path, shared_issuer, running)


@case(BROKER, 0, "backup", says="1 accounts", hint="not in this file")
def _(stage: Stage) -> Ran:
    return stage.broker("backup", str(stage.home / "new"))


@case(BROKER, 0, "backup --with-key", says="1 accounts", hint="under the passphrase")
def _(stage: Stage) -> Ran:
    return stage.broker("backup", str(stage.home / "new"), "--with-key", "--passphrase-file", stage.words)


@case(BROKER, 2, "backup: the file exists", says="store.backup exists", hint="another name")
def _(stage: Stage) -> Ran:
    return stage.broker("backup", stage.backup)


@case(BROKER, 2, "backup --with-key: nobody to ask", says="no terminal", hint="--passphrase-file")
def _(stage: Stage) -> Ran:
    return stage.broker("backup", str(stage.home / "new"), "--with-key")


@case(BROKER, 2, "backup: the disk is full", says="No space left", hint="df")
def _(stage: Stage) -> Ran:
    with tmpfs(stage.home / "disk", size_k=4) as disk:
        ran = stage.broker("backup", str(disk / "new"))
        assert list(disk.iterdir()) == []
    return ran


@case(BROKER, 0, "restore", says="1 accounts", hint="nothing is sent")
def _(stage: Stage) -> Ran:
    stage.with_key()
    return stage.restore(stage.backup)


@case(BROKER, 2, "restore: into a home with a store", says="a store already", hint="--home")
def _(stage: Stage) -> Ran:
    assert stage.broker("init", "--home", str(stage.second)).code == 0
    return stage.restore(stage.backup)


@case(BROKER, 2, "restore: beside a daemon", says="a store already", hint="--home")
def _(stage: Stage) -> Ran:
    return stage.broker("restore", stage.backup)


@case(BROKER, 2, "restore: the master key is missing", says="needs master key", hint="KEYFILE")
def _(stage: Stage) -> Ran:
    ran = stage.restore(stage.backup)
    assert not stage.second.exists()
    return ran


@case(BROKER, 2, "restore: another passphrase", says="does not open", hint="again")
def _(stage: Stage) -> Ran:
    return stage.restore(stage.keyed, "--passphrase-file", str(stage.write("other", "incorrect horse")))


@case(BROKER, 4, "restore: no such file", says="missing.backup", hint="path")
def _(stage: Stage) -> Ran:
    return stage.restore(str(stage.home / "missing.backup"))


@case(BROKER, 7, "restore: a cut file", says="is cut", hint="copy it again")
def _(stage: Stage) -> Ran:
    stage.with_key()
    return stage.restore(stage.spoiled(Path(stage.backup).read_bytes()[:-1]))


@case(BROKER, 8, "restore: a changed file", says="integrity check", hint="copy it again")
def _(stage: Stage) -> Ran:
    stage.with_key()
    content = bytearray(Path(stage.backup).read_bytes())
    content[-1] ^= 1
    return stage.restore(stage.spoiled(bytes(content)))


@case(BROKER, 8, "restore: the home is another user's", hint="run as its owner")
def _(stage: Stage) -> Ran:
    need_root("homes of other owners")
    stage.with_key()
    # What root must not even read: its settings, were they read, would be another error.
    (stage.second / "broker.toml").write_text("no settings")
    os.chown(stage.second, STRANGER, STRANGER)
    return stage.restore(stage.backup)


@pytest.mark.parametrize("row", cases_of(__name__), ids=str)
def test_the_code(row, stage):
    """It ends with its code, says why, and says one thing to do."""
    check(row, row.act(stage))
