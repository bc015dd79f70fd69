"""How a command goes through a change of the master key, and what it shows meanwhile."""

import io
from contextlib import redirect_stderr

from broker.cli import rotating
from broker.cli.rotating import rotate_keys

BEGUN = {"key_id": "b", "new": True, "key_file": "/k", "boxes": 5}


class Broker:
    """Answers as it is told, operation by operation, and notes what it was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def __call__(self, operation, /, **params):
        self.asked.append((operation, *params.values()))
        wanted, answer = self.answers.pop(0)
        assert operation == wanted
        return answer


def rewrapped(after, count, *damaged):
    return "key_rewrap", {"after": after, "rewrapped": count, "damaged": list(damaged)}


def retired(*ids, kept=(), passing=False):
    stays = [{"key_id": key_id, "needed_by": ["work"], "passing": passing} for key_id in kept]
    return "key_retire", {"retired": list(ids), "kept": stays}


class Terminal(io.StringIO):
    """A standard error that a person looks at."""

    def isatty(self):
        return True


def test_the_store_is_gone_through_until_nothing_is_found(capsys):
    """A round that found something is followed by another; the last one says what does not open."""
    broker = Broker(
        ("key_rotate", BEGUN),
        rewrapped("accounts 3", 4, "x"),
        rewrapped("", 1),
        rewrapped("accounts 3", 0, "x"),
        rewrapped("", 0),
        retired("a"),
    )
    done = rotate_keys(broker, keep_old=False)
    assert (done["rewrapped"], done["damaged"], done["retired"], done["kept"]) == (5, ["x"], ["a"], [])
    assert [words[1] for words in broker.asked if words[0] == "key_rewrap"] == ["", "accounts 3"] * 2
    assert capsys.readouterr() == ("", ""), "where no terminal is, nothing is shown"


def test_former_keys_are_kept_when_told(capsys):
    """With ``keep_old`` nothing is retired, and nothing is waited for."""
    done = rotate_keys(Broker(("key_rotate", BEGUN), rewrapped("", 0)), keep_old=True)
    assert (done["retired"], done["kept"]) == ([], [])
    assert capsys.readouterr().err == ""


def test_exchanges_under_way_are_waited_for_and_nothing_else(monkeypatch):
    """While only an exchange needs a key it is asked again; what lasts ends the waiting."""
    monkeypatch.setattr(rotating, "_LOOK_AGAIN_S", 0)
    broker = Broker(
        ("key_rotate", BEGUN),
        rewrapped("accounts 3", 5),
        rewrapped("", 0),
        rewrapped("", 0),
        retired("z", kept=["a"], passing=True),
        retired(kept=["a"], passing=True),
        retired(kept=["a"]),
    )
    with redirect_stderr(Terminal()) as terminal:
        done = rotate_keys(broker, keep_old=False)
    assert done["retired"] == ["z"]
    assert done["kept"] == [{"key_id": "a", "needed_by": ["work"]}]
    lines = terminal.getvalue().split("\r\x1b[K")
    assert "sealed anew: 5 of 5" in lines
    assert lines.count("waiting for exchanges that began with a former key") == 2
    assert lines[-1] == "", "the line is gone at the end"


def test_the_waiting_has_an_end(monkeypatch):
    """An exchange that does not end holds the command up for a minute, not for ever."""
    monkeypatch.setattr(rotating, "_EXCHANGES_END_WITHIN_S", -1)
    broker = Broker(("key_rotate", BEGUN), rewrapped("", 0), retired(kept=["a"], passing=True))
    assert rotate_keys(broker, keep_old=False)["kept"] == [{"key_id": "a", "needed_by": ["work"]}]
