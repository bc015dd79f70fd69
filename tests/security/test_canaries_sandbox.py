"""Canaries in ``up --sandbox``: the trial run keeps its secrets as well as the real one does."""

import subprocess

from tests.security.life import learn
from tests.support.canary import Scanner, files_below, processes_at
from tests.support.daemon import Daemon
from tests.support.programs import Machine
from tests.support.wait import until_sync


def test_a_trial_run_shows_no_secret(tmp_path):
    """The key lies in its file, the tokens in the store, and the printed line names neither."""
    daemon = Daemon(Machine(tmp_path), "http://127.0.0.1:1")
    for name in [name for name in daemon.machine.environ if name.startswith("CODEX_BROKER_ISSUER_")]:
        del daemon.machine.environ[name]
    home, scanner = daemon.home / "sandbox", Scanner()
    daemon.start("up", "--sandbox")
    try:
        until_sync(lambda: "codex-fetchtoken --account" in daemon.out)
        line = daemon.out.splitlines()[-1]
        pasted = subprocess.run(
            ["/bin/sh", "-c", line],
            env=daemon.machine.environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        scanner.add("API key", (home / "client.key").read_text().strip())
        scanner.add("access token", pasted.stdout.strip())
        learn(scanner, home)
        looks = [*files_below(tmp_path), *processes_at(daemon.machine.home)]
        assert daemon.stop() == 0
    finally:
        if daemon.process.poll() is None:
            daemon.kill()
    hits = scanner.among([*looks, *files_below(tmp_path), ("stderr", pasted.stderr.encode())])
    places = {(hit.where.rpartition("/")[2], hit.name) for hit in hits if "/.cache/" not in hit.where}
    assert places == {("client.key", "API key"), ("master.key", "master key")}
    assert {hit.name for hit in hits if "/.cache/" in hit.where} == {"access token", "id token"}
