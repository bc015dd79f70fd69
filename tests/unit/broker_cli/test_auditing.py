"""Reading a long trail through the command: page by page, with progress, and files that fail."""

import asyncio
import io
import json
import os
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from broker.cli import speech
from broker.cli.auditing import check_trail, export_trail
from broker.cli.durations import parse_since
from broker.seal.box import Seal
from broker.seal.keyfile import load_keyring
from fetchtoken.domain.errors import ConfigError, Unavailable
from tests.support.broker import Broker
from tests.support.trails import written

MANY = 2500
"""More than two pages."""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def long_trail(broker: Broker) -> Broker:
    assert broker.run("init").code == 0
    asyncio.run(written(broker.home, Seal(load_keyring(broker.home / "master.key")), 0, MANY))
    return broker


def test_a_long_trail_is_checked_and_exported_whole(long_trail: Broker) -> None:
    """Every record is there once, in its order, without a daemon and through one."""
    for daemon in (False, True):
        file = long_trail.root / f"{daemon}.jsonl"
        if daemon:
            with long_trail.daemon():
                report, ran = long_trail.json("audit", "verify"), long_trail.run("audit", "export", str(file))
        else:
            report, ran = long_trail.json("audit", "verify"), long_trail.run("audit", "export", str(file))
        records = [json.loads(line) for line in file.read_text().splitlines()]
        assert (report["ok"], report["records"]) == (True, MANY + 2)
        assert ran.out == f"{MANY + 3} records in {file}\n"
        assert [record["seq"] for record in records] == list(range(MANY + 3))
        assert records[1]["at_s"] == records[1]["at_s"] // 1
        assert file.stat().st_mode & 0o777 == 0o600


def test_export_goes_to_standard_output(long_trail: Broker) -> None:
    """Without a file, or with ``-``, the lines are printed and nothing else."""
    for words in ((), ("-",)):
        ran = long_trail.run("audit", "export", *words)
        assert (ran.code, ran.err, len(ran.out.splitlines())) == (0, "", MANY + 3)


def test_rows_of_somebody_else_are_not_exported(broker: Broker) -> None:
    """A row that this broker cannot have written ends the export, and no half of it is left."""
    assert broker.run("init").code == 0
    with closing(sqlite3.connect(broker.home / "broker.db", isolation_level=None)) as connection:
        connection.execute("UPDATE audit SET at = 'noon'")
    ran = broker.run("audit", "export", str(broker.root / "x.jsonl"))
    assert (ran.code, "hint: codex-broker audit verify says which" in ran.err) == (8, True)
    assert not (broker.root / "x.jsonl").exists()
    assert broker.run("audit", "verify").code == 8


def test_text_that_cannot_be_read_is_found(broker: Broker) -> None:
    """Bytes that are no text stop the database's own reading; the check says from where on."""
    assert broker.run("init").code == 0
    with closing(sqlite3.connect(broker.home / "broker.db", isolation_level=None)) as connection:
        connection.execute("UPDATE audit SET peer = CAST(x'ff' AS TEXT)")
    report = broker.run("audit", "verify", "--json")
    kinds = {one["kind"] for one in json.loads(report.out)["findings"]}
    assert (report.code, "unreadable" in kinds) == (8, True)


def _pages(pages: list[dict[str, Any]]) -> Callable[..., Any]:
    left = iter(pages)

    def call(_operation: str, /, **_params: Any) -> Any:
        return next(left)

    return call


def test_progress_is_shown_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person sees how far it is, on one line that is gone at the end; a pipe gets nothing."""
    done = {"session": "s", "checked": 5, "total": 9, "report": None}
    for stream, seen in ((Terminal(), "\rchecked 5 of 9 records\r\x1b[K"), (io.StringIO(), "")):
        monkeypatch.setattr(sys, "stderr", stream)
        assert check_trail(_pages([done, {**done, "report": {"ok": True}}])) == {"ok": True}
        assert stream.getvalue() == seen


def test_a_file_that_cannot_be_written_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where the disk takes no more, the error names the file and the half is removed."""

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match=r"x\.jsonl cannot be written: No space left on device"):
        export_trail(
            _pages([{"records": [{}], "after": ["", 1]}, {"records": [], "after": None}]),
            f"{tmp_path}/x.jsonl",
        )
    assert list(tmp_path.iterdir()) == []


def test_a_broker_that_goes_away_leaves_no_file(tmp_path: Path) -> None:
    """An export that ends in the middle is no export."""

    def gone(_operation: str, /, **_params: Any) -> Any:
        raise Unavailable("the broker went away")

    with pytest.raises(Unavailable):
        export_trail(gone, f"{tmp_path}/x.jsonl")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("24h", {"ago_s": 86_400.0}),
        ("2026-11-20", {"since": 1_795_132_800.0}),
        ("2026-11-20T01:00:00+01:00", {"since": 1_795_132_800.0}),
    ],
)
def test_times_to_begin_from(text: str, wanted: dict[str, float]) -> None:
    """A length of time ago, a day, or an instant."""
    assert parse_since(text) == wanted


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "20", "-1d"])
def test_what_is_no_time(text: str) -> None:
    """Anything else is exit 2 with examples."""
    with pytest.raises(ConfigError, match="is no time"):
        parse_since(text)


def test_what_a_terminal_would_act_on_is_escaped() -> None:
    """A peer cannot write escape sequences into a list that a person looks at."""
    assert speech.printable("a\x1b[2Jb\n\u202ec é") == "a\\x1b[2Jb\\n\\u202ec é"
