import stat
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from fetchtoken.codex.config_change import changed
from fetchtoken.codex.setup_record import Record, Timer, peek, records
from fetchtoken.domain.errors import Malformed, Unavailable, Unsafe
from fetchtoken.domain.secret import Secret

TEXT = "[model_providers.ours]\nsince = 1979-05-27T07:32:00Z\nratio = 1.50\nodd = nan\n"


@pytest.fixture
def where(tmp_path):
    return {"XDG_STATE_HOME": str(tmp_path / "state")}, str(tmp_path), str(tmp_path / ".codex")


def file_of(tmp_path):
    return next((tmp_path / "state/codex-fetchtoken").glob("*.json"))


def test_what_is_written_is_read(where, tmp_path):
    """Every field comes back, TOML's own kinds of values included; the file is private."""
    keys = {("model_provider",): "ours", ("model_providers", "ours"): {"name": "x"}}
    _, change = changed(TEXT, keys, "config.toml", made=True)
    timer = Timer("x.timer", {"/u/x.timer": "new"}, {"/u/x.timer": None}, "cron")
    record = Record(
        "endpoint",
        "remote",
        "/c",
        (change,),
        timer,
        "laptop",
        "https://b.example",
        (Secret("cbr_x"),),
        asking=True,
    )
    record = replace(record, key="x", program="/x/codex-fetchtoken", finished=True)
    with records(*where) as store:
        assert store.read() is None
        store.write(record)
        assert store.read() == record
        old = store.read().configs[0].old["model_providers", "ours"]
        assert old["since"] == datetime(1979, 5, 27, 7, 32, tzinfo=UTC)
        file = file_of(tmp_path)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert peek(*where) == record
    with records(*where) as store:
        store.forget()
        store.forget()
    assert peek(*where) is None


def test_a_minimal_record(where):
    """Without timer, machine or edit it is as short, and comes back."""
    with records(*where) as store:
        store.write(Record("file", "ssh", "/c"))
        assert store.read() == Record("file", "ssh", "/c")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "5", "null", '{"form": 2}', '{"form": 1}', '{"form": 1, "mode": 5}']
)
def test_a_damaged_record(where, tmp_path, text):
    """What is no record is named, not guessed at: exit 7."""
    with records(*where) as store:
        store.write(Record("file", "ssh", "/c"))
        file_of(tmp_path).write_text(text)
        with pytest.raises(Malformed, match="no record of a setup"):
            store.read()


def test_a_record_that_others_can_read(where, tmp_path):
    """It may hold a credential: exit 8."""
    with records(*where) as store:
        store.write(Record("file", "ssh", "/c"))
        file_of(tmp_path).chmod(0o644)
        with pytest.raises(Unsafe):
            store.read()


def test_two_at_once(where, monkeypatch):
    """Whoever comes second does nothing: exit 5."""
    monkeypatch.setattr("fetchtoken.codex.setup_record._LOCK_S", 0.05)
    with records(*where), pytest.raises(Unavailable, match="locked"), records(*where):
        pass


def test_a_directory_that_cannot_be_made(where, tmp_path):
    """Nothing is set up that could not be written down: exit 8."""
    (tmp_path / "state").write_text("")
    with pytest.raises(Unsafe, match="cannot be written"), records(*where):
        pass


def test_each_home_has_its_own(where, tmp_path):
    """Another Codex home is another setup; a link to one is the same."""
    environ, home, codex = where
    with records(environ, home, codex) as store:
        store.write(Record("file", "ssh", "/c"))
    assert peek(environ, home, codex + "2") is None
    (tmp_path / ".codex").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / ".codex")
    assert peek(environ, home, str(tmp_path / "link")) == Record("file", "ssh", "/c")
