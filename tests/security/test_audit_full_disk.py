"""A full disk: no token leaves without its record, and when there is room again the trail says so."""

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.daemon import Daemon, running_daemon
from tests.support.issuer import Issuer
from tests.support.places import tmpfs
from tests.support.wait import until_sync

REQUESTS = 3000
"""More than the room that SQLite has set aside can hold."""


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


def _served(store: Path) -> set[str]:
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT request_id FROM audit WHERE action = 'token.served'")
        return {request_id for (request_id,) in rows}


def _resumed(daemon: Daemon) -> list[str]:
    records = daemon.call("audit_list", limit=10_000)
    return [one["detail"] for one in records if one["action"] == "audit.resumed"]


def _ask_until_refused(daemon: Daemon, key: str) -> set[str]:
    """Ask until the first refusal and return the ids of the requests that a token answered."""
    answered = set()
    for _ in range(REQUESTS):
        answer = daemon.get("/codex", key)
        if answer.status != 200:
            assert (answer.status, answer.code) == (503, "unavailable")
            assert b"access_token" not in answer.body
            return answered
        answered.add(answer.headers["x-request-id"])
    pytest.fail("the disk is not full")


def test_no_token_leaves_on_a_full_disk(tmp_path: Path, issuer: Issuer) -> None:
    """Every token that left has its record; with the disk full none leaves; with room they do again."""
    with tmpfs(tmp_path / "disk", size_k=3072) as disk:
        store = disk / "broker.db"
        with running_daemon(tmp_path, issuer.url, CODEX_BROKER_STORE_URL=f"sqlite:///{store}") as daemon:
            daemon.hold(issuer.mint(), "work")
            key = daemon.add_client("laptop", "work")
            _fill(disk / "filler")
            answered = _ask_until_refused(daemon, key)
            for _ in range(20):
                assert daemon.get("/codex", key).status == 503
            assert daemon.get("/readyz").status == 503
            assert answered <= _served(store)
            os.unlink(disk / "filler")  # noqa: PTH108 - as an operator frees it
            until_sync(lambda: daemon.get("/codex", key).status == 200)
            until_sync(lambda: _resumed(daemon))
            [told] = _resumed(daemon)
            assert int(told.split()[0]) >= 20
            report = json.loads(daemon.admin("audit", "verify", "--json").out)
            assert (report["ok"], len(report["chains"])) == (True, 1)
            assert (daemon.home / "audit.head").exists()
            assert daemon.stop() == 0


def test_a_removed_head_is_said_by_the_real_command(tmp_path: Path, issuer: Issuer) -> None:
    """Through the daemon and after its end, ``audit verify`` exits 8 and names chain, record and kind."""
    with running_daemon(tmp_path, issuer.url) as daemon:
        daemon.hold(issuer.mint(), "work")
        [chain] = daemon.admin_json("audit", "verify")["chains"]
        head = daemon.home / "audit.head"
        head.unlink()
        ran = daemon.admin("audit", "verify")
        what = (
            f"the audit trail is not whole: record 1 of chain {chain['chain']}: head_missing: {head} is gone"
        )
        assert (ran.code, ran.err.splitlines()[0]) == (8, f"codex-broker: {what}")
        assert daemon.stop() == 0
        ran = daemon.admin("audit", "verify")
        assert ran.code == 8
        assert "head_missing: this chain began because the head file was gone" in ran.err
        assert ran.err.splitlines()[-1].startswith("hint: ")
