"""Homes that live a second time: copied, put back, brought back from an image, slept in."""

import json
import re
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from broker.ops.marker import birth_ns
from tests.support.daemon import Daemon

__all__ = ["WEEK_S", "as_an_image", "copy_home", "forget_lives", "plain", "put_back", "seen_ago", "set_aside"]

WEEK_S = 604_800


def copy_home(source: Daemon, target: Daemon) -> None:
    """Copy a home as a person would, whatever is at work in it."""
    target.home.parent.mkdir(parents=True)
    subprocess.run(["cp", "-a", str(source.home), str(target.home)], check=True)


def as_an_image(home: Path) -> None:
    """Make a copy what it would be on the disk of an image: inodes and times of birth come along."""
    marker = home / "home.id"
    said = json.loads(marker.read_text())
    said |= {"inode": marker.stat().st_ino, "born_ns": birth_ns(marker)}
    marker.write_text(json.dumps(said))


def seen_ago(home: Path, seconds: float) -> None:
    """Let nobody have been at work in a home for so long."""
    path = home / "last-seen"
    said = json.loads(path.read_text())
    path.write_text(json.dumps({**said, "at": time.time() - seconds}))


def set_aside(home: Path, place: Path) -> None:
    """Take a consistent copy of the database file alone."""
    with closing(sqlite3.connect(home / "broker.db")) as live, closing(sqlite3.connect(place)) as kept:
        live.backup(kept)


def put_back(home: Path, place: Path) -> None:
    """Put the database file back; the daemon is stopped."""
    for name in ("broker.db", "broker.db-wal", "broker.db-shm"):
        (home / name).unlink(missing_ok=True)
    (home / "broker.db").touch(mode=0o600)
    (home / "broker.db").write_bytes(place.read_bytes())


def forget_lives(home: Path) -> None:
    """Make a home what a version left that knew nothing of second lives; no daemon runs."""
    for name in ("home.id", "last-seen", "high-water"):
        (home / name).unlink()
    with closing(sqlite3.connect(home / "broker.db")) as store, store:
        store.execute("DELETE FROM meta WHERE key LIKE 'home:%'")


def plain(text: Any) -> str:
    """Return a text with every time written as TIME."""
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", str(text))
