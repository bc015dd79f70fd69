"""A login in the command's hands: handed over, refused and ended, or kept where nobody takes it."""

import json
from types import SimpleNamespace

import pytest

from broker.cli import logging_in
from fetchtoken.domain.claims import unsigned_jwt
from fetchtoken.domain.errors import ConfigError, Malformed, Unavailable, Unsafe
from fetchtoken.domain.secret import Secret
from fetchtoken.oauth.login.asking import Issuer
from fetchtoken.oauth.login.grant import NewTokens
from tests.support.issuer import issuer_in_thread

AUTH = {"chatgpt_account_id": "acct", "chatgpt_user_id": "user"}
TOKEN = Secret(unsigned_jwt({"https://api.openai.com/auth": AUTH}))
TOKENS = NewTokens(TOKEN, Secret("rt_new"), TOKEN, "acct", "user", "ann@example.com", "pro")


class Place:
    """A broker that answers as told, one answer for each call."""

    def __init__(self, home, *answers):
        self.home = SimpleNamespace(path=home)
        self.answers = list(answers)
        self.asked = []

    def call(self, operation, /, **params):
        self.asked.append((operation, params["name"]))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def _hurry(monkeypatch):
    monkeypatch.setattr(logging_in, "_PAUSE_S", 0)


def issuer(url="http://127.0.0.1:9"):
    return Issuer(url=url, client_id="app_x", ca_file="", environ={})


def hand_over(place, there=None):
    return logging_in._hand_over(place, "work", there or issuer(), TOKENS)


def test_a_broker_that_comes_back_gets_it(tmp_path):
    """Between two answers of a daemon that is being restarted nothing is lost."""
    gone = Unavailable("went away", hint="x")
    place = Place(tmp_path, gone, gone, {"account": "work"})
    assert hand_over(place) == {"account": "work"}
    assert place.asked == [("account_login_finish", "work")] * 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [Unavailable("went away", hint="x"), Malformed("nonsense", hint="x")])
def test_a_login_that_nobody_takes_is_kept(tmp_path, monkeypatch, error):
    """In a file of the home, 0600, which adopting takes up; the error says where it lies."""
    monkeypatch.setattr(logging_in, "_PATIENCE_S", 0)
    with pytest.raises(type(error)) as caught:
        hand_over(Place(tmp_path, error))
    file = tmp_path / "login-work.json"
    assert str(file) in caught.value.message
    assert f"account adopt {file} --name work" in caught.value.hint
    assert file.stat().st_mode & 0o777 == 0o600
    tokens = json.loads(file.read_text())["tokens"]
    assert (tokens["refresh_token"], tokens["account_id"]) == ("rt_new", "acct")
    assert tokens["oauth_provenance"] == {"issuer": "http://127.0.0.1:9", "client_id": "app_x"}


def test_nowhere_at_all(tmp_path, monkeypatch):
    """Without a broker and without a disk only a new login helps, and that is said."""
    monkeypatch.setattr(logging_in, "_PATIENCE_S", 0)
    with pytest.raises(Unsafe, match="cannot be written") as caught:
        hand_over(Place(tmp_path / "absent", Unavailable("went away", hint="x")))
    assert caught.value.hint == "log in once more"


@pytest.mark.parametrize("code", ["", "spent"])
def test_a_broker_that_is_misconfigured_meanwhile_ends_no_login(tmp_path, code):
    """Only a verdict on the login itself says that nobody holds it; else it is kept."""
    with issuer_in_thread() as sandbox:
        with pytest.raises(ConfigError, match="the login lies in"):
            hand_over(Place(tmp_path, ConfigError("no home", hint="x", code=code)), issuer(sandbox.url))
        assert sandbox.log() == []
    assert "rt_new" in (tmp_path / "login-work.json").read_text()


def test_a_login_that_is_refused_is_ended(tmp_path):
    """Nobody holds it, so nobody shall be able to use it."""
    refused = ConfigError("somebody else's", hint="x", code="identity_mismatch")
    with issuer_in_thread() as sandbox:
        with pytest.raises(ConfigError):
            hand_over(Place(tmp_path, refused), issuer(sandbox.url))
        assert sandbox.log()[-1]["route"] == "POST /oauth/revoke"
    assert list(tmp_path.iterdir()) == []


def test_the_end_of_a_refused_login_may_fail(tmp_path, capsys):
    """The refusal is the error; what became of the login is a note."""
    with pytest.raises(ConfigError, match="somebody"):
        hand_over(Place(tmp_path, ConfigError("somebody else's", hint="x", code="identity_mismatch")))
    assert "could not be revoked" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
