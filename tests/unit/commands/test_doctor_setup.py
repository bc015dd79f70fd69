import json

import pytest

from fetchtoken.commands import codex_setup
from tests.support.setting_up import at_desk


@pytest.fixture
def desk(tmp_path):
    with at_desk(tmp_path) as desk:
        yield desk


def said(desk):
    """Return what doctor says of the setup."""
    checks = json.loads(desk.run("doctor", "--json").out)["checks"]
    return [
        (one["ok"], one["detail"], one["exit_code"], one["hint"]) for one in checks if one["check"] == "setup"
    ]


def test_nothing_was_set_up(desk):
    """Then nothing is said, before and after."""
    assert said(desk) == []
    desk.setup()
    desk.undo()
    assert said(desk) == []


@pytest.mark.parametrize("mode", ["file", "command"])
def test_a_setup_that_stands(desk, mode):
    """It is named, with nothing wrong."""
    desk.setup("--mode", mode)
    assert said(desk) == [(True, f"Codex is set up by --mode {mode}, with the remote source", 0, None)]


@pytest.mark.parametrize("mode", ["file", "command"])
def test_a_command_that_is_gone(desk, mode):
    """Reinstalled elsewhere: Codex or the timer would run nothing."""
    desk.setup("--mode", mode)
    text = desk.record.read_text()
    program = json.loads(text)["program"]
    desk.record.write_text(text.replace(f'"program": "{program}"', '"program": "/gone/codex-fetchtoken"'))
    [(ok, detail, code, hint)] = said(desk)
    assert (ok, code, hint) == (False, 2, f"codex-fetchtoken codex setup --mode {mode}")
    assert "/gone/codex-fetchtoken, which cannot be run" in detail


def test_a_timer_that_is_gone(desk):
    """A unit file was deleted: the file will go stale, and the same setup mends it."""
    desk.setup()
    unit = next(desk.units.glob("*.timer"))
    unit.unlink()
    assert said(desk)[0][:2] == (False, f"{unit} is missing, so nothing keeps Codex's file fresh")
    desk.setup()
    assert said(desk)[0][0] is True


def test_a_setup_that_was_stopped(desk, monkeypatch):
    """Half-way: the same again, or undo, ends it."""

    class Killed(BaseException):
        pass

    def killed(*_):
        raise Killed

    monkeypatch.setattr(codex_setup, "install_timer", killed)
    with pytest.raises(Killed):
        desk.run("codex", "setup")
    monkeypatch.undo()
    assert said(desk)[0][:2] == (False, "a setup of Codex by --mode file was stopped half-way")
    desk.setup()
    assert said(desk)[0][0] is True


def test_a_damaged_record(desk):
    """It is named as undo would name it."""
    desk.setup()
    desk.record.write_text("{}")
    [(ok, detail, code, _)] = said(desk)
    assert (ok, code) == (False, 7)
    assert "no record of a setup" in detail
