"""A restore is no tampering: what the backup lacks is named, what it holds is still bound."""

import json
import shutil
import sqlite3
from contextlib import closing

from tests.support.broker import Broker
from tests.support.issuer import Issuer


def test_a_restored_store_is_whole_and_says_what_is_gone(broker: Broker, issuer: Issuer) -> None:
    """In the home of old and in another one: a new chain, no finding, and a note of what came later."""
    assert broker.run("init").code == 0
    issuer.mint().write(broker.root / "a.json")
    backup, other = broker.root / "b.backup", broker.root / "other"
    assert (
        broker.run("account", "import", str(broker.root / "a.json"), "--sole-owner", "--name", "work").code
        == 0
    )
    assert broker.run("backup", str(backup)).code == 0
    assert broker.run("account", "disable", "work").code == 0
    [old] = broker.json("audit", "verify")["chains"]
    other.mkdir(mode=0o700)
    shutil.copy(broker.home / "master.key", other / "master.key")
    for file in broker.home.glob("broker.db*"):
        file.unlink()
    for home in (broker.home, other):
        ran = broker.run("restore", str(backup), "--home", str(home))
        assert ran.code == 0, ran
        ran = broker.run("audit", "verify", "--home", str(home), "--json")
        report = json.loads(ran.out)
        reasons = {chain["chain"]: chain["reason"] for chain in report["chains"]}
        assert (ran.code, report["found"], reasons.pop(old["chain"])) == (0, 0, "new")
        assert list(reasons.values()) == ["restored"]
        assert ("what was recorded after that backup is gone" in ran.err) == (home == broker.home)
    with closing(sqlite3.connect(other / "broker.db", isolation_level=None)) as connection:
        connection.execute("DELETE FROM audit WHERE chain = ? AND seq > 0", [old["chain"]])
    ran = broker.run("audit", "verify", "--home", str(other))
    assert (ran.code, "truncated" in ran.err) == (8, True)
