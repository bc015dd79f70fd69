"""Log lines: their shape, their level, where they go."""

import io
import json
import logging
import re

import pytest
import structlog

from broker.telemetry import log
from fetchtoken.domain.errors import ConfigError


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_lines_are_json_with_utc_time_level_and_event_where_nobody_watches():
    """A line on a pipe is one JSON object with an RFC 3339 time in UTC."""
    stream = io.StringIO()
    log.configure("info", stream)
    structlog.get_logger().info("account adopted", account="work", seconds_left=3)
    (line,) = lines(stream)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line.pop("at"))
    assert list(line)[0:2] == ["level", "event"]
    assert line == {"level": "info", "event": "account adopted", "account": "work", "seconds_left": 3}


def test_a_terminal_gets_pairs_on_one_line():
    """A line on a terminal is key=value, a line break inside a value does not break it."""
    stream = Terminal()
    log.configure("info", stream)
    structlog.get_logger().info("ready", url="http://127.0.0.1:7455", note="one\ntwo")
    assert stream.getvalue().count("\n") == 1
    assert "level=info event=ready url=http://127.0.0.1:7455 note=one\\ntwo" in stream.getvalue()


@pytest.mark.parametrize("make", [io.StringIO, Terminal])
def test_an_exception_is_named_with_its_place_on_one_line(make):
    """A traceback keeps type, message and place, and stays one line."""
    stream = make()
    log.configure("info", stream)
    try:
        int("no such thing")
    except ValueError:
        structlog.get_logger().exception("failed")
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert "ValueError" in text
    assert "no such thing" in text
    assert "test_log.py" in text


def test_lines_below_the_level_are_not_written():
    """The level holds for structlog and for the standard library."""
    stream = io.StringIO()
    log.configure("warning", stream)
    structlog.get_logger().info("one")
    logging.getLogger("alembic").info("two")
    structlog.get_logger().warning("three")
    logging.getLogger("alembic").warning("four %s", "times")
    assert [line["event"] for line in lines(stream)] == ["three", "four times"]


@pytest.mark.parametrize("name", ["aiosqlite", "sqlalchemy.engine.Engine", "asyncio", "aiohttp.server"])
def test_libraries_that_print_parameters_are_held_at_warnings(name):
    """Even at debug, libraries that log statements with their values say only warnings."""
    stream = io.StringIO()
    log.configure("debug", stream)
    logging.getLogger(name).info("INSERT ... parameters %s", ("hunter2",))
    logging.getLogger(name).warning("slow")
    assert [line["event"] for line in lines(stream)] == ["slow"]


def test_a_second_configuration_replaces_the_first():
    """No line is written twice, and none to the old stream."""
    old, new = io.StringIO(), io.StringIO()
    log.configure("info", old)
    log.configure("info", new)
    structlog.get_logger().info("one")
    logging.getLogger("x").warning("two")
    assert old.getvalue() == ""
    assert [line["event"] for line in lines(new)] == ["one", "two"]


def test_an_unknown_level_is_a_configuration_error():
    """A misspelt level is refused, naming the levels there are."""
    with pytest.raises(ConfigError, match="verbose") as caught:
        log.configure("verbose")
    assert "warning" in caught.value.hint


def test_a_line_that_cannot_be_rendered_is_named_without_its_arguments(capsys):
    """A bad format string leaves a note of the place, not the raw arguments on stderr."""
    stream = io.StringIO()
    log.configure("info", stream)
    logging.getLogger("x").warning("%d tokens", "cbk_k1_canary0123456789")
    assert [line["event"] for line in lines(stream)] == ["a log line could not be written"]
    assert "canary" not in stream.getvalue() + "".join(capsys.readouterr())
