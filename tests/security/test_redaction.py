"""Canaries in every place a secret can enter a log line; none may come out."""

import asyncio
import io
import json
import logging
import warnings

import aiohttp
import pytest
import structlog
from multidict import CIMultiDict, CIMultiDictProxy
from pydantic import BaseModel, ValidationError
from yarl import URL

from broker.telemetry import log
from broker.telemetry.redact import BLANK, redact, redact_text
from fetchtoken.domain.secret import Secret
from tests.unit.telemetry.conftest import _logging_as_it_was  # noqa: F401 - an autouse fixture

CANARY = "c4n4ry"
JWT = f"eyJhbGciOiJub25lIn0.eyJjYW5hcnkiOiJ4In0{CANARY}.{CANARY}sig"
SHAPED = [
    f"cbk_k1_{CANARY}secret0123456789",
    f"cbr_k1_{CANARY}secret0123456789",
    f"rt_{CANARY}secret",
    f"rt.1.{CANARY}-secret",
    f"at-{CANARY}0123456789abcdef",
    f"sk-proj-{CANARY}0123456789",
    JWT,
    f"Bearer {CANARY}opaque==",
    f"basic {CANARY}dXNlcjpwdw==",
    f"https://user:{CANARY}@proxy.example/x",
    f"grant_type=x&refresh_token={CANARY}&client_id=app",
    f'{{"refresh_token": "{CANARY}", "x": 1}}',
    f'{{\\"access_token\\":\\"{CANARY}\\"}}',
    f"{{'id_token': '{CANARY}'}}",
    f"CODEX_REMOTE_API_KEY={CANARY}",
    f"Authorization: {CANARY}",
    f"Authorization: Bearer {CANARY}",
    f"Cookie: session={CANARY}",
    f"password={CANARY}",
    f"insert failed\n[SQL: INSERT INTO x]\n[parameters: ('{CANARY}', b'{CANARY}')]",
]
"""Texts that must lose their canary wherever they stand."""

NAMED = [
    "access_token",
    "refresh-token",
    "Authorization",
    "password",
    "api_key",
    "X-Api-Key",
    "client_secret",
    "master_key",
    "set-cookie",
    "code_verifier",
]


def fail(error):
    raise error


def fail_because(text):
    try:
        fail(RuntimeError(text))
    except RuntimeError as error:
        error.add_note(text)
        raise ValueError(f"because {text}") from error


def written(emit, *, terminal=False, level="debug"):
    """Return what a function makes the configured log write."""
    stream = io.StringIO()
    stream.isatty = lambda: terminal
    log.configure(level, stream)
    emit()
    text = stream.getvalue()
    assert text, "nothing was logged"
    if not terminal:
        for line in text.splitlines():
            json.loads(line)
    return text


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("text", SHAPED)
def test_a_shaped_secret_is_blanked_in_event_value_and_nested_value(text, terminal):
    """Event text, a value, a nested value, a list and a dict key all lose it."""

    def emit():
        structlog.get_logger().warning(
            f"said {text}", value=text, nested={"a": [{"b": (text,)}], text: 1}, raw=text.encode()
        )

    out = written(emit, terminal=terminal)
    assert CANARY not in out
    assert BLANK in out


@pytest.mark.parametrize("name", NAMED)
def test_a_value_under_a_telling_key_is_blanked_whatever_it_looks_like(name):
    """Opaque values have no shape; their key tells."""

    def emit():
        structlog.get_logger().info("x", **{name: CANARY}, nested=[{name: {"deep": CANARY}}])

    assert CANARY not in written(emit)


def test_a_secret_object_is_blanked_by_type():
    """A Secret shows nothing in any position."""

    def emit():
        structlog.get_logger().info("x", held=Secret(CANARY), many=[Secret(CANARY)])

    assert CANARY not in written(emit)


@pytest.mark.parametrize("text", SHAPED)
def test_an_exception_message_and_its_causes_are_searched(text):
    """Messages of the exception, its cause and its notes lose the secret."""

    def emit():
        try:
            fail_because(text)
        except ValueError:
            structlog.get_logger().exception("failed")
            logging.getLogger("stdlib").exception("failed %s", text)

    assert CANARY not in written(emit)
    assert CANARY not in written(emit, terminal=True)


@pytest.mark.parametrize("terminal", [False, True])
def test_a_traceback_never_shows_locals(terminal):
    """A secret without any shape in a local variable stays there."""

    def fails(argument):
        local = argument * 2
        raise ValueError(len(local))

    def emit():
        try:
            fails(CANARY)
        except ValueError:
            structlog.get_logger().exception("failed")
            logging.getLogger("asyncio").exception("failed")

    assert CANARY not in written(emit, terminal=terminal)


def test_the_repr_of_an_aiohttp_error_does_not_show_the_authorization():
    """A ClientResponseError carries the request's headers in its repr."""
    headers = CIMultiDictProxy(CIMultiDict({"Authorization": f"Bearer {CANARY}", "X-Api-Key": CANARY}))
    url = URL("https://auth.example/oauth/token")
    info = aiohttp.RequestInfo(url, "POST", headers, url)
    error = aiohttp.ClientResponseError(info, (), status=401, message="no", headers=headers)
    assert CANARY in repr(error)

    def emit():
        structlog.get_logger().error("upstream", error=error, text=repr(error), several=[error])
        logging.getLogger("x").error("upstream %r", error)
        logging.getLogger("x").error("upstream", exc_info=error)

    assert CANARY not in written(emit)


def test_an_exception_group_is_searched():
    """Errors inside a group are searched as well."""

    def emit():
        try:
            fail(ExceptionGroup(f"rt_{CANARY}", [ValueError(f"rt_{CANARY}")]))
        except ExceptionGroup:
            structlog.get_logger().exception("failed")

    assert CANARY not in written(emit)
    assert CANARY not in written(emit, terminal=True)


def test_stdlib_lines_with_arguments_are_searched():
    """Arguments of a standard-library call are searched after formatting."""

    def emit():
        logging.getLogger("aiohttp.server").error("header %r from %s", f"Bearer {CANARY}", "peer")
        logging.getLogger("alembic").info("url %s", f"postgresql://u:{CANARY}@db/x")

    assert CANARY not in written(emit)


def test_warnings_are_searched():
    """A warning of a library goes through the log."""

    def emit():
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(capture=True)
            warnings.warn(f"unclosed rt_{CANARY}", ResourceWarning, stacklevel=1)

    assert CANARY not in written(emit)


def test_a_validation_error_does_not_show_its_input():
    """Pydantic quotes the value that it refuses."""

    class Body(BaseModel):
        code: int

    with pytest.raises(ValidationError) as caught:
        Body(code=CANARY)
    assert CANARY in str(caught.value)
    assert CANARY not in redact_text(str(caught.value))
    assert CANARY not in str(redact(caught.value))


async def test_the_loop_s_own_reports_are_searched():
    """An exception that no task awaited is reported by asyncio with its message."""
    stream = io.StringIO()
    log.configure("info", stream)
    loop = asyncio.get_running_loop()
    loop.call_exception_handler(
        {"message": f"never retrieved rt_{CANARY}", "exception": ValueError(f"Bearer {CANARY}")}
    )
    assert "never retrieved" in stream.getvalue()
    assert CANARY not in stream.getvalue()


def test_ordinary_words_stay_readable():
    """What is no secret is left alone."""
    for text in (
        "the token expires at 2026-11-30T10:11:12Z",
        "refresh_after is 1764497472",
        "GET /codex/work 200 in 0.001 s",
        "an account of user@example.com",
        "http://127.0.0.1:7455/codex",
        "started at-once",
        "Bearer",
        "key id k1 unlocked",
    ):
        assert redact_text(text) == text
    assert redact({"account": "work", "ok": True, "n": 3, "none": None, "token_type": "Bearer"}) == {
        "account": "work",
        "ok": True,
        "n": 3,
        "none": None,
        "token_type": "Bearer",
    }


def test_an_object_whose_repr_fails_and_a_bottomless_dict_are_survived():
    """Neither loses the line nor loops."""

    class Bad:
        def __repr__(self):
            raise ValueError

    deep: dict = {}
    deep["deep"] = deep

    def emit():
        structlog.get_logger().info("x", bad=Bad(), deep=deep)

    assert "<Bad>" in written(emit)
