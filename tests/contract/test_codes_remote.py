"""Exit codes of ``codex-fetchtoken`` with the remote source, and of lists of sources."""

import signal
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.contract.table import FETCHTOKEN, case, cases_of, check
from tests.support.command import Ran
from tests.support.peers import Peer, answering, closed_port, hang
from tests.support.programs import Machine, ended
from tests.support.tokens import answer, http, jwt

KEY = "cbk_test_0123456789"
STALE = {"CODEX_CACHE_MAX_AGE": "0"}
"""Every call asks the broker; the copy is there in case it is down."""


class Stage(Machine):
    """A machine with a key for whatever broker a case sets up."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.environ |= {"CODEX_TOKEN_SOURCE": "remote", "CODEX_REMOTE_API_KEY": KEY}

    def asks(self, data: bytes, *words: str, **more: str) -> Ran:
        """Run the command against a broker that answers with these bytes."""
        with self.broker_that(answering(data)) as url:
            return self.fetch(*words, CODEX_REMOTE_URL=url, **more)

    @contextmanager
    def broker_that(self, script: Callable[..., None]) -> Any:
        with Peer(script) as peer:
            yield f"http://127.0.0.1:{peer.port}"

    @contextmanager
    def copy_of(self) -> Any:
        """Fetch once, so that there is a copy, from a broker that is gone then."""
        with Peer(answering(http(200, answer(jwt()), ETag='"1"'))) as peer:
            url = f"http://127.0.0.1:{peer.port}"
            assert self.fetch(CODEX_REMOTE_URL=url).code == 0
        yield url

    @property
    def copies(self) -> list[Path]:
        return list((self.home / ".cache" / "codex-fetchtoken").glob("*.json"))


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)


def problem(status: int, code: str, **headers: str) -> bytes:
    """Return a problem as the broker words it, with a detail that nobody may repeat."""
    body = {"type": "about:blank", "status": status, "code": code, "detail": "cbk_echoed_by_a_peer"}
    return http(status, body, Content_Type="application/problem+json", **headers)


# Tokens.


@case(FETCHTOKEN, 0, "remote: a token", says="eyJ")
def _(stage: Stage) -> Ran:
    return stage.asks(http(200, answer(jwt())))


@case(FETCHTOKEN, 0, "remote alias http: a token", says="eyJ")
def _(stage: Stage) -> Ran:
    return stage.asks(http(200, answer(jwt())), "--source", "http")


@case(FETCHTOKEN, 0, "remote: the copy, without contact", says="eyJ")
def _(stage: Stage) -> Ran:
    with stage.copy_of() as url:
        return stage.fetch(CODEX_REMOTE_URL=url)


@case(FETCHTOKEN, 0, "remote: the copy, broker stopped", says="eyJ", hint="the copy", notes=1)
def _(stage: Stage) -> Ran:
    with stage.copy_of() as url:
        return stage.fetch(CODEX_REMOTE_URL=url, **STALE)


@case(FETCHTOKEN, 0, "remote: 304, the copy stands", says="eyJ")
def _(stage: Stage) -> Ran:
    replies = [http(200, answer(jwt()), ETag='"1"'), http(304)]

    def script(peer: Peer, connection: Any) -> None:
        answering(replies.pop(0))(peer, connection)

    with stage.broker_that(script) as url:
        first = stage.fetch(CODEX_REMOTE_URL=url)
        second = stage.fetch(CODEX_REMOTE_URL=url, **STALE)
    assert first == second
    assert replies == []
    return second


@case(FETCHTOKEN, 0, "sync: an access-only file", hint="good until", notes=1)
def _(stage: Stage) -> Ran:
    ran = stage.asks(http(200, answer(jwt())), "sync")
    assert '"refresh_token": ""' in stage.auth_file.read_text()
    return ran


# The broker's refusals.


def _refusals() -> None:
    for code, status, word, hint in [
        (2, 400, "account_required", "--account"),
        (6, 401, "invalid_token", "CODEX_REMOTE_API_KEY"),
        (6, 403, "not_granted", "client grant"),
        (6, 403, "account_disabled", "account enable"),
        (6, 403, "insufficient_scope", "scope"),
        (4, 404, "not_found", "CODEX_REMOTE_URL"),
        (7, 400, "invalid_request", "CODEX_REMOTE_URL"),
        (5, 429, "rate_limited", "try again in 7 s"),
        (3, 503, "login_required", "whoever runs the broker"),
        (5, 503, "sealed", "try again in 7 s"),
        (5, 503, "unavailable", "try again in 7 s"),
        (5, 503, "token_expiring", "try again in 7 s"),
        (5, 500, "internal_error", "try again in 7 s"),
    ]:

        @case(FETCHTOKEN, code, f"remote: {status} {word}", says="127.0.0.1", hint=hint)
        def _(stage: Stage, data: bytes = problem(status, word, Retry_After="7")) -> Ran:
            ran = stage.asks(data)
            assert "cbk_" not in ran.err
            return ran


_refusals()


def _revoked() -> None:
    for status, word in ((401, "invalid_token"), (403, "not_granted")):

        @case(FETCHTOKEN, 6, f"remote: {status} {word}, and the copy is deleted", hint="")
        def _(stage: Stage, data: bytes = problem(status, word)) -> Ran:
            with Peer(answering(http(200, answer(jwt())))) as peer:
                url = f"http://127.0.0.1:{peer.port}"
                assert stage.fetch(CODEX_REMOTE_URL=url).code == 0
                assert len(stage.copies) == 1
                peer.script = answering(data)
                ran = stage.fetch(CODEX_REMOTE_URL=url, **STALE)
            assert stage.copies == []
            return ran


_revoked()


# Nonsense.


def _nonsense() -> None:
    for what, data in {
        "a redirect": http(302, {}, Location="https://elsewhere.example/codex"),
        "a page": http(200, b"<html>welcome</html>"),
        "JSON without a token": http(200, {"tokens": {}}),
        "another account's token": http(200, answer(jwt(), account="other")),
        "a token with a line break": http(200, answer("a\nb")),
        "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
        "a status of its own": http(418, {}),
    }.items():

        @case(FETCHTOKEN, 7, f"remote: {what}", says="127.0.0.1")
        def _(stage: Stage, data: bytes = data) -> Ran:
            return stage.asks(data, "--account", "work")


_nonsense()


# Not now.


@case(FETCHTOKEN, 5, "remote: broker down, no copy", says="127.0.0.1", hint="CODEX_REMOTE_URL")
def _(stage: Stage) -> Ran:
    with closed_port() as port:
        return stage.fetch(CODEX_REMOTE_URL=f"http://127.0.0.1:{port}")


@case(FETCHTOKEN, 5, "remote: torn answer", says="mid-answer")
def _(stage: Stage) -> Ran:
    return stage.asks(http(200, answer(jwt()))[:-9])


@case(FETCHTOKEN, 5, "remote: no answer within --timeout", says="127.0.0.1")
def _(stage: Stage) -> Ran:
    with stage.broker_that(hang) as url:
        return stage.fetch("--timeout", "1", CODEX_REMOTE_URL=url)


@case(FETCHTOKEN, 5, "remote: an expired token", says="expired", hint="clocks")
def _(stage: Stage) -> Ran:
    return stage.asks(http(200, answer(jwt(1000, age_s=900))))


@case(FETCHTOKEN, 5, "remote: a token under --min-valid", says="gives only", hint="--min-valid 0")
def _(stage: Stage) -> Ran:
    return stage.asks(http(200, answer(jwt(1000))), "--min-valid", "2000")


@case(FETCHTOKEN, 5, "remote: no such unix socket", says="/no/such", hint="CODEX_REMOTE_URL")
def _(stage: Stage) -> Ran:
    return stage.fetch(CODEX_REMOTE_URL="unix:///no/such/socket")


# Where a key may go.


@case(FETCHTOKEN, 2, "remote: a key and no broker", says="never gets one", hint="set CODEX_REMOTE_URL")
def _(stage: Stage) -> Ran:
    return stage.fetch()


@case(FETCHTOKEN, 2, "remote: the key file is missing", says="/no/such", hint="chmod 600")
def _(stage: Stage) -> Ran:
    del stage.environ["CODEX_REMOTE_API_KEY"]
    url = {"CODEX_REMOTE_URL": "https://b.example"}
    return stage.fetch(CODEX_REMOTE_API_KEY_FILE="/no/such", **url)


@case(FETCHTOKEN, 2, "remote: a key of two words", says="CODEX_REMOTE_API_KEY", hint="one word")
def _(stage: Stage) -> Ran:
    return stage.fetch(CODEX_REMOTE_API_KEY="a b", CODEX_REMOTE_URL="https://b.example")


@case(FETCHTOKEN, 2, "remote: the CA file is missing", says="/no/such")
def _(stage: Stage) -> Ran:
    return stage.fetch(CODEX_REMOTE_URL="https://127.0.0.1:1", CODEX_REMOTE_CA_FILE="/no/such")


@case(FETCHTOKEN, 8, "remote: plain http to another host", says="plain http", hint="https")
def _(stage: Stage) -> Ran:
    return stage.fetch(CODEX_REMOTE_URL="http://broker.example")


@case(FETCHTOKEN, 8, "remote: the key file is readable by others", says="readable", hint="chmod 600")
def _(stage: Stage) -> Ran:
    del stage.environ["CODEX_REMOTE_API_KEY"]
    file = stage.write("key", KEY, mode=0o644)
    return stage.fetch(CODEX_REMOTE_API_KEY_FILE=str(file), CODEX_REMOTE_URL="https://b.example")


@case(FETCHTOKEN, 130, "remote: Ctrl-C")
def _(stage: Stage) -> Ran:
    with Peer(hang) as peer:
        process = stage.start(FETCHTOKEN, CODEX_REMOTE_URL=f"http://127.0.0.1:{peer.port}")
        assert peer.arrived.wait(30)
        process.send_signal(signal.SIGINT)
        return ended(process)


@pytest.mark.parametrize("row", cases_of(__name__), ids=str)
def test_the_command_ends_as_the_contract_says(row, stage):
    """Exit code, one line of error, one hint, nothing on stdout."""
    check(row, row.act(stage))
