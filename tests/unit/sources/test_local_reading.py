import json
import time

import pytest

from fetchtoken.domain.errors import Malformed, NotFound
from fetchtoken.sources import local
from fetchtoken.sources.local import load
from tests.support.logins import auth_document
from tests.support.tokens import jwt


@pytest.fixture
def path(tmp_path):
    """Return where an auth file will be."""
    path = tmp_path / "auth.json"
    path.touch(0o600)
    return path


def at_the_first_pause(monkeypatch, act):
    """Act while the reader waits before it reads again."""
    pauses = []

    def pause(seconds):
        if not pauses:
            act()
        pauses.append(seconds)

    monkeypatch.setattr(local.time, "sleep", pause)
    return pauses


@pytest.mark.parametrize("content", ["", '{"tokens": {"acc', "\n"])
def test_a_file_that_is_being_written_is_read_again(path, monkeypatch, content):
    """A tool that truncates and writes is caught in the middle; its whole file is what counts."""
    token = jwt()
    path.write_text(content)
    pauses = at_the_first_pause(monkeypatch, lambda: path.write_text(json.dumps(auth_document(token))))
    assert load(str(path)).access_token.reveal() == token
    assert len(pauses) == 1


@pytest.mark.parametrize(("content", "error"), [("", NotFound), ("{", Malformed), ("[]", Malformed)])
def test_a_file_that_stays_so_is_given_up_after_a_tenth_of_a_second(path, monkeypatch, content, error):
    """Read again until 100 ms are over, by the monotonic clock."""
    path.write_text(content)
    now = [time.monotonic()]
    monkeypatch.setattr(local.time, "monotonic", lambda: now[0])
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(local.time, "sleep", pause)
    with pytest.raises(error):
        load(str(path))
    assert sum(pauses) == pytest.approx(0.1, abs=0.011)


def test_a_file_that_goes_away_meanwhile_is_no_login(path, monkeypatch):
    """Codex logged out while we read: not nonsense, but not found."""
    path.write_text("{")
    at_the_first_pause(monkeypatch, path.unlink)
    with pytest.raises(NotFound, match="does not exist") as caught:
        load(str(path))
    assert caught.value.hint == "codex-fetchtoken login"
