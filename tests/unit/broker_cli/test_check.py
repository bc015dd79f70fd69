"""``check``: each thing that can be wrong is found, said with its remedy, and decides the exit code."""

import json
import socket
from contextlib import closing

from broker.seal.keyfile import create_keyring
from tests.support.broker import Broker
from tests.support.issuer import Issuer


def findings(broker: Broker) -> tuple[int, dict[str, bool]]:
    """Return the exit code, and of each check whether it was well."""
    ran = broker.run("check", "--port", "0", "--json")
    return ran.code, {finding["check"]: finding["ok"] for finding in json.loads(ran.out)}


def wrong(found: dict[str, bool]) -> list[str]:
    return [name for name, ok in found.items() if not ok]


def test_all_is_well(broker: Broker) -> None:
    """A new home with an issuer that answers is exit 0, with a daemon and without one."""
    assert broker.run("init").code == 0
    code, alone = findings(broker)
    assert (code, wrong(alone)) == (0, [])
    with broker.daemon():
        code, together = findings(broker)
    assert (code, together) == (0, alone)


def test_an_issuer_that_cannot_be_reached(broker: Broker) -> None:
    """Nobody at the issuer's address is exit 5; everything else is still looked at."""
    with closing(socket.create_server(("127.0.0.1", 0))) as gone:
        address = gone.getsockname()
    broker.environ["CODEX_BROKER_ISSUER_URL"] = f"http://127.0.0.1:{address[1]}"
    assert broker.run("init").code == 0
    code, found = findings(broker)
    assert (code, wrong(found)) == (5, ["issuer"])


def test_the_wrong_master_key(broker: Broker, issuer: Issuer) -> None:
    """A key that the store was not sealed with is named as what is missing."""
    assert broker.run("init").code == 0
    login = issuer.mint().write(broker.root / "login.json")
    assert broker.run("account", "import", str(login), "--sole-owner").code == 0
    (broker.home / "master.key").unlink()
    create_keyring(broker.home / "master.key")
    ran = broker.run("check", "--port", "0")
    assert ran.code == 2
    assert "master key" in ran.err
    assert "is needed and not in" in ran.err


def test_a_journal_that_cannot_be_written(broker: Broker) -> None:
    """Without a place for attempt files nothing can be exchanged: exit 8."""
    assert broker.run("init").code == 0
    for file in (broker.home / "journal").iterdir():
        file.unlink()
    (broker.home / "journal").rmdir()
    (broker.home / "journal").touch(mode=0o600)
    ran = broker.run("check", "--port", "0")
    assert ran.code == 8
    assert "the journal" in ran.err
    assert "cannot be written" in ran.err
