import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fetchtoken.domain.errors import (
    ConfigError,
    Denied,
    LoginRequired,
    Malformed,
    NotFound,
    Unavailable,
    Unsafe,
)
from fetchtoken.sources.cache import cache_file, read_copy
from fetchtoken.sources.remote import fetch
from fetchtoken.sources.remote_ask import token_url
from tests.support.peers import Broker, closed_port, hang
from tests.support.tokens import answer, http, jwt, request_of, settings_of

KEY = "cbk_test_0123456789"


def remote(home, url, **keys):
    return settings_of(
        home, CODEX_TOKEN_SOURCE="remote", CODEX_REMOTE_URL=url, CODEX_REMOTE_API_KEY=KEY, **keys
    )


def copy_of(settings, account=""):
    path = Path(cache_file(settings, account, settings.api_key))
    return path if path.exists() else None


@pytest.mark.parametrize(
    ("base", "account", "path"),
    [
        ("https://h", "", "/codex?min_valid=600"),
        ("https://h/", "work", "/codex/work?min_valid=600"),
        ("https://h/codex", "", "/codex?min_valid=600"),
        ("https://h/codex/", "a@b.c", "/codex/a@b.c?min_valid=600"),
        ("https://h/team/", "", "/team/codex?min_valid=600"),
        ("unix:/s", "", "/codex?min_valid=600"),
        ("unix:/s:/codex/", "work", "/codex/work?min_valid=600"),
    ],
)
def test_the_url_may_be_the_base_or_its_codex_path(base, account, path):
    """Base or ``/codex``, with or without a slash at the end: the same request."""
    assert token_url(base, account, 600).path == path


def test_the_request_and_its_token(tmp_path):
    """The key goes as a bearer, and the answer's token comes back with what the broker says of it."""
    bearer = jwt()
    with Broker(http(200, answer(bearer), ETag='"1"')) as broker:
        token = fetch(remote(tmp_path, f"http://127.0.0.1:{broker.port}"), request_of(account="work"))
    assert token.access_token.reveal() == bearer
    assert (token.account, token.account_id, token.plan_type, token.source) == (
        "work",
        "acct-1",
        "pro",
        "remote",
    )
    assert token.id_token is not None
    assert broker.head()[0] == "GET /codex/work?min_valid=600 HTTP/1.1"
    assert f"Authorization: Bearer {KEY}" in broker.head()
    assert not [line for line in broker.head() if line.startswith("If-None-Match")]


def test_a_plain_codex_file_as_answer(tmp_path):
    """A server that gives out a Codex file, without the OAuth fields, will do."""
    bearer = jwt()
    with Broker(http(200, {"tokens": {"access_token": bearer, "id_token": "odd"}})) as broker:
        token = fetch(remote(tmp_path, f"http://127.0.0.1:{broker.port}"), request_of())
    assert (token.access_token.reveal(), token.account_id, token.id_token) == (bearer, "acct-1", None)


def test_without_a_key_nothing_is_sent_as_one(tmp_path):
    """A broker behind a proxy that authenticates needs no key."""
    with Broker(http(200, answer(jwt()))) as broker:
        fetch(settings_of(tmp_path, CODEX_REMOTE_URL=f"http://127.0.0.1:{broker.port}"), request_of())
    assert b"uthorization" not in broker.requests[0]


def test_a_recent_copy_is_served_without_contact(tmp_path):
    """The second call does not reach the broker; the copy is private and holds no refresh token."""
    given = answer(jwt())
    given["tokens"]["refresh_token"] = "rt_must_not_be_stored"
    with Broker(http(200, given)) as broker:
        settings = remote(tmp_path, f"http://127.0.0.1:{broker.port}")
        first, second = fetch(settings, request_of()), fetch(settings, request_of())
    assert broker.accepted == 1
    for name in first.__slots__:
        assert getattr(first, name) == getattr(second, name)
    path = copy_of(settings)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    text = path.read_text()
    assert "rt_must_not_be_stored" not in text
    assert KEY not in text


def test_the_cached_path_needs_no_network_code(tmp_path):
    """Serving a copy imports neither sockets nor the HTTP client."""
    with Broker(http(200, answer(jwt()))) as broker:
        url = f"http://127.0.0.1:{broker.port}"
        fetch(remote(tmp_path, url), request_of())
    code = (
        "import sys; sys.path.insert(0, '.')\n"
        "from fetchtoken.options import Options\nfrom fetchtoken.settings import load\n"
        "from fetchtoken.sources.request import Request\nfrom fetchtoken.sources.remote import fetch\n"
        "import os, time\n"
        "request = Request(account='', min_valid_s=600, force_refresh=False, no_refresh=False,\n"
        "  no_cache=False, started_at=time.time(), deadline=time.monotonic() + 9, note=print)\n"
        "fetch(load(Options(), os.environ, '/'), request)\nprint(*sys.modules)"
    )
    environ = {"HOME": str(tmp_path), "CODEX_REMOTE_URL": url, "CODEX_REMOTE_API_KEY": KEY}
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import os; os.environ.update({environ!r})\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    costly = {
        "_socket",
        "socket",
        "ssl",
        "hashlib",
        "json",
        "re",
        "enum",
        "typing",
        "dataclasses",
        "datetime",
        "pathlib",
    }
    assert not (costly | {"fetchtoken.net.client", "fetchtoken.net.url"}) & set(run.stdout.split())


def test_an_old_copy_is_revalidated(tmp_path):
    """After ``CODEX_CACHE_MAX_AGE`` the copy's tag is sent, and a 304 makes it recent again."""
    with Broker(http(200, answer(jwt()), ETag='"7"'), http(304, b"")) as broker:
        url = f"http://127.0.0.1:{broker.port}"
        first = fetch(remote(tmp_path, url, CODEX_CACHE_MAX_AGE="0"), request_of())
        second = fetch(remote(tmp_path, url, CODEX_CACHE_MAX_AGE="0"), request_of())
        assert first.access_token == second.access_token
        fetch(remote(tmp_path, url), request_of())
    assert broker.accepted == 2
    assert 'If-None-Match: "7"' in broker.head()


def test_a_304_that_nobody_asked_for(tmp_path):
    """304 without a copy is nonsense."""
    with Broker(http(304, b"")) as broker, pytest.raises(Malformed):
        fetch(remote(tmp_path, f"http://127.0.0.1:{broker.port}"), request_of())


def test_a_recent_copy_must_also_meet_min_valid(tmp_path):
    """A copy that lives shorter than asked is not served: the broker is asked for a longer one."""
    with Broker(http(200, answer(jwt(1000))), http(200, answer(jwt(9000)))) as broker:
        settings = remote(tmp_path, f"http://127.0.0.1:{broker.port}")
        fetch(settings, request_of())
        token = fetch(settings, request_of(min_valid_s=5000))
    assert token.seconds_left(0) == token.expires_at
    assert "GET /codex?min_valid=5000 HTTP/1.1" in broker.head()


@pytest.mark.parametrize("wish", ["no_cache", "force_refresh"])
def test_the_cache_can_be_bypassed(tmp_path, wish):
    """Both options reach the broker although there is a recent copy, and without its tag."""
    with Broker(http(200, answer(jwt()), ETag='"1"')) as broker:
        settings = remote(tmp_path, f"http://127.0.0.1:{broker.port}")
        fetch(settings, request_of())
        fetch(settings, request_of(**{wish: True}))
    assert broker.accepted == 2
    assert b"If-None-Match" not in broker.requests[1]


def test_no_cache_keeps_no_copy(tmp_path):
    """With ``--no-cache`` nothing is written."""
    with Broker(http(200, answer(jwt()))) as broker:
        settings = remote(tmp_path, f"http://127.0.0.1:{broker.port}")
        fetch(settings, request_of(no_cache=True))
    assert copy_of(settings) is None


def test_the_copy_is_served_when_the_broker_is_down(tmp_path):
    """An unreachable broker: the copy with a note, as long as it meets the demand; then exit 5."""
    notes = []
    with Broker(http(200, answer(jwt(5000)))) as broker:
        url = f"http://127.0.0.1:{broker.port}"
        first = fetch(remote(tmp_path, url), request_of())
    settings = remote(tmp_path, url, CODEX_CACHE_MAX_AGE="0")
    assert fetch(settings, request_of(notes)).access_token == first.access_token
    assert len(notes) == 1
    assert "copy of" in notes[0]
    with pytest.raises(Unavailable, match="cannot connect"):
        fetch(settings, request_of(min_valid_s=6000))
    with pytest.raises(Unavailable, match="cannot connect"):
        fetch(settings, request_of(force_refresh=True))


def test_a_hanging_broker_is_not_waited_for_when_the_copy_will_do(tmp_path, monkeypatch):
    """With a usable copy the wait is short, far below the whole command's time."""
    monkeypatch.setattr("fetchtoken.sources.copies._PATIENCE_S", 0.2)
    with Broker(http(200, answer(jwt()))) as broker:
        settings = remote(tmp_path, f"http://127.0.0.1:{broker.port}", CODEX_CACHE_MAX_AGE="0")
        fetch(settings, request_of())
        broker.script = hang
        notes = []
        request = request_of(notes, deadline=float("inf"))
        assert fetch(settings, request).source == "remote"
    assert "timed out" in notes[0]


@pytest.mark.parametrize(
    ("status", "code"), [(401, "invalid_token"), (403, "not_granted"), (403, "account_disabled"), (401, "")]
)
def test_a_refused_key_deletes_the_copy(tmp_path, status, code):
    """401 and 403 are exit 6, and the copy is gone: a revoked client keeps nothing."""
    with Broker(http(200, answer(jwt())), http(status, {"code": code})) as broker:
        settings = remote(tmp_path, f"http://127.0.0.1:{broker.port}", CODEX_CACHE_MAX_AGE="0")
        fetch(settings, request_of())
        assert copy_of(settings)
        with pytest.raises(Denied) as caught:
            fetch(settings, request_of())
    assert copy_of(settings) is None
    assert caught.value.code == code
    assert caught.value.hint


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        (http(503, {"code": "login_required"}), LoginRequired, "must be logged in"),
        (http(503, {"code": "token_expiring"}), Unavailable, "503 token_expiring"),
        (http(503, {"code": "sealed"}, Retry_After="9"), Unavailable, "503 sealed"),
        (http(503, b"<html>"), Unavailable, "503"),
        (http(500, b""), Unavailable, "500"),
        (http(429, {"code": "rate_limited"}), Unavailable, "429 rate_limited"),
        (http(404, {}), NotFound, "nothing at this URL"),
        (http(400, {"code": "account_required"}), ConfigError, "several accounts"),
        (http(400, {"code": "invalid_request"}), Malformed, "400 invalid_request"),
        (http(302, b"", Location="http://127.0.0.1:1/"), Malformed, "not followed"),
        (http(418, {"code": "rude \x1b[31m word"}), Malformed, "418"),
        (http(204, b""), Malformed, "204"),
        (http(200, b"<html>login</html>"), Malformed, "not JSON"),
        (http(200, []), Malformed, "not JSON"),
        (http(200, b"\xff"), Malformed, "not JSON"),
        (http(200, {}), Malformed, "without an access token"),
        (http(200, {"access_token": 7}), Malformed, "without an access token"),
        (http(200, {"access_token": "a b"}), Malformed, "without an access token"),
        (http(200, {"access_token": "a\nb"}), Malformed, "without an access token"),
        (http(200, {"access_token": "opaque"}), Malformed, "when it expires"),
        (http(200, {"access_token": "x", "account": "a\x1b[0m"}), Malformed, "odd account"),
        (http(200, {"access_token": "x", "plan_type": ["pro"]}), Malformed, "odd plan_type"),
        (http(200, answer(jwt(), account="other")), Malformed, "another account"),
        (http(200, answer(jwt(100))), Unavailable, "expired token"),
        (b"SSH-2.0-x\r\n", Malformed, "nonsense"),
        (b"", Unavailable, "no answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", Unavailable, "broke off"),
    ],
)
def test_each_answer_has_its_error(tmp_path, given, kind, words):
    """What the broker answers decides the class of the error; its own words are not repeated."""
    with Broker(given) as broker:
        settings = remote(tmp_path, f"http://127.0.0.1:{broker.port}")
        account = "work" if words == "another account" else ""
        with pytest.raises(kind, match=words) as caught:
            fetch(settings, request_of(account=account))
    assert type(caught.value) is kind or kind is Unavailable
    text = caught.value.message + caught.value.hint
    assert caught.value.hint
    assert "\x1b" not in text
    assert KEY not in text


@pytest.mark.parametrize(
    "given",
    [
        http(503, {"code": "token_expiring"}),
        http(429, {}),
        http(500, b""),
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
    ],
)
def test_the_copy_is_served_when_the_broker_is_in_trouble(tmp_path, given):
    """5xx, 429, silence and a torn answer: the copy that still meets the demand, with a note."""
    notes = []
    with Broker(http(200, answer(jwt())), given) as broker:
        settings = remote(tmp_path, f"http://127.0.0.1:{broker.port}", CODEX_CACHE_MAX_AGE="0")
        fetch(settings, request_of())
        assert fetch(settings, request_of(notes)).account == "work"
    assert len(notes) == 1


def test_a_token_that_lives_shorter_than_asked(tmp_path):
    """Alive, and under the demand although the broker gave it: exit 5, ``--min-valid 0``."""
    with (
        Broker(http(200, answer(jwt(5000)))) as broker,
        pytest.raises(Unavailable, match="gives only") as caught,
    ):
        fetch(remote(tmp_path, f"http://127.0.0.1:{broker.port}"), request_of(min_valid_s=6000))
    assert caught.value.hint == "--min-valid 0"


def test_an_unknown_account_is_named(tmp_path):
    """404 with an account says which."""
    with Broker(http(404, {})) as broker, pytest.raises(NotFound, match="no account ghost"):
        fetch(remote(tmp_path, f"http://127.0.0.1:{broker.port}"), request_of(account="ghost"))


def test_an_opaque_token_with_a_stated_expiry(tmp_path):
    """Where the token itself is mute, the broker's word for its end counts."""
    with Broker(http(200, {"access_token": "opaque", "expires_at": "2099-01-01T00:00:00Z"})) as broker:
        settings = remote(tmp_path, f"http://127.0.0.1:{broker.port}")
        assert (
            fetch(settings, request_of()).expires_at
            == fetch(settings, request_of()).expires_at
            == 4_070_908_800
        )


def test_plain_http_to_another_machine(tmp_path):
    """Plain http is for this machine only; the key is not sent."""
    with pytest.raises(Unsafe, match="token\\.example"):
        fetch(remote(tmp_path, "http://token.example"), request_of())


def test_the_key_needs_a_configured_broker(tmp_path):
    """The built-in URL never gets a key."""
    with pytest.raises(ConfigError) as caught:
        fetch(settings_of(tmp_path, CODEX_REMOTE_API_KEY=KEY), request_of())
    assert caught.value.hint == "set CODEX_REMOTE_URL"


def test_a_cache_that_cannot_be_written_is_a_note(tmp_path):
    """The token is given out although no copy can be kept."""
    (tmp_path / "cache").write_text("a file where a directory should be")
    notes = []
    with Broker(http(200, answer(jwt()))) as broker:
        settings = remote(tmp_path, f"http://127.0.0.1:{broker.port}", XDG_CACHE_HOME=str(tmp_path / "cache"))
        assert fetch(settings, request_of(notes)).account == "work"
    assert "no copy is kept" in notes[0]


def test_each_broker_account_and_key_has_its_own_copy(tmp_path):
    """Another URL, account or key never sees this one's copy."""
    settings = remote(tmp_path, "https://a.example")
    key = settings.api_key
    files = {
        cache_file(settings, "", key),
        cache_file(settings, "work", key),
        cache_file(settings, "", None),
        cache_file(remote(tmp_path, "https://b.example"), "", key),
    }
    assert len(files) == 4
    assert all(KEY not in path for path in files)


def test_the_wrong_account_is_not_kept(tmp_path):
    """An answer that is refused leaves no copy."""
    with Broker(http(200, answer(jwt(), account="other"))) as broker:
        settings = remote(tmp_path, f"http://127.0.0.1:{broker.port}")
        with pytest.raises(Malformed):
            fetch(settings, request_of(account="work"))
    assert read_copy(cache_file(settings, "work", settings.api_key)) is None


def test_a_refused_connection_without_a_copy(tmp_path):
    """Nobody listening and no copy: exit 5 naming the peer."""
    with closed_port() as port, pytest.raises(Unavailable, match=rf"127\.0\.0\.1:{port}"):
        fetch(remote(tmp_path, f"http://127.0.0.1:{port}"), request_of())
