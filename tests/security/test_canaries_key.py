"""Canaries in a change of the master key: the keys stand in the key file, and nowhere else."""

from broker.seal.keyfile import load_keyring
from tests.security.life import learn
from tests.support.broker import Broker
from tests.support.canary import Scanner, files_below, processes_at
from tests.support.issuer import Issuer


def test_a_change_of_key_shows_no_key(broker: Broker, issuer: Issuer) -> None:
    """Old and new, by a daemon and without one: in no output, log, store, trail, backup or process."""
    scanner, said = Scanner(), []
    assert broker.run("init").code == 0
    path = broker.home / "master.key"
    login = issuer.mint().write(broker.root / "work.json")
    assert broker.run("account", "import", str(login), "--sole-owner", "--name", "work").code == 0
    login.unlink()
    former = load_keyring(path)
    scanner.add_bytes("retired key", former.master(former.current))

    said.append(broker.run("key", "rotate", "--keep-old", "--json"))
    with broker.daemon():
        learn(scanner, broker.home)
        said += [broker.run("key", "rotate"), broker.run("key", "list", "--json")]
        assert broker.run("backup", str(broker.root / "backup")).code == 0
        learn(scanner, broker.home)
        looks = [*files_below(broker.root), *processes_at(broker.home)]
    path.chmod(0o640)
    said.append(broker.run("--verbose", "key", "rotate"))

    assert [ran.code for ran in said] == [0, 0, 0, 8]
    told = [("output", (ran.out + ran.err).encode()) for ran in said]
    hits = scanner.among([*looks, *told, *files_below(broker.root)])
    assert {(hit.where.rpartition("/")[2], hit.name) for hit in hits} == {("master.key", "master key")}
    path.chmod(0o600)
    assert load_keyring(path).ids.isdisjoint(former.ids), "the old key is not even in the key file"
