"""Request lines: written by a thread, bounded, without raw paths or secrets."""

import io
import json
import threading

from broker.telemetry.requestlog import NoRequestLog, RequestLine, RequestLog


def line(**changes):
    known = {
        "at": 1_764_497_472.0,
        "method": "GET",
        "route": "/codex/{account}",
        "account": "work",
        "client": "laptop",
        "peer": "10.0.0.1",
        "status": 200,
        "code": "",
        "took_s": 0.0012345678,
        "request_id": "r1",
    }
    return RequestLine(**(known | changes))


def test_a_line_says_who_asked_for_what_and_how_it_ended():
    """Every known field is there, empty ones are left out."""
    stream = io.StringIO()
    log = RequestLog(stream)
    log.add(line())
    log.close()
    assert json.loads(stream.getvalue()) == {
        "at": "2025-11-30T10:11:12Z",
        "level": "info",
        "event": "request",
        "method": "GET",
        "route": "/codex/{account}",
        "account": "work",
        "client": "laptop",
        "peer": "10.0.0.1",
        "request_id": "r1",
        "status": 200,
        "took_s": 0.001235,
    }


def test_every_line_is_written_in_order_before_close_returns():
    """Nothing queued is lost at the end of the daemon."""
    stream = io.StringIO()
    log = RequestLog(stream)
    for number in range(2000):
        log.add(line(request_id=str(number)))
    log.close()
    written = [json.loads(text)["request_id"] for text in stream.getvalue().splitlines()]
    assert written == [str(number) for number in range(2000)]


def test_a_terminal_gets_pairs():
    """Someone who watches reads key=value."""
    stream = io.StringIO()
    stream.isatty = lambda: True
    log = RequestLog(stream)
    log.add(line(account=""))
    log.close()
    assert "method=GET route=/codex/{account} client=laptop" in stream.getvalue()


class Stuck(io.StringIO):
    """A stream whose writes wait, like a pipe that nobody reads."""

    def __init__(self):
        super().__init__()
        self.entered = threading.Event()
        self.released = threading.Event()

    def write(self, text):
        self.entered.set()
        self.released.wait(30)
        return super().write(text)


def test_a_stuck_stream_drops_lines_instead_of_holding_callers():
    """When the reader stands still the queue stays bounded and the loss is counted."""
    stream = Stuck()
    log = RequestLog(stream)
    log.add(line())
    assert stream.entered.wait(30)
    for _ in range(10_050):
        log.add(line())
    assert log.dropped == 50
    stream.released.set()
    log.close()
    assert stream.getvalue().count("\n") == 10_001


class Broken(io.StringIO):
    """A stream whose first write fails."""

    failed = threading.Event()

    def write(self, text):
        if not self.failed.is_set():
            self.failed.set()
            raise BrokenPipeError
        return super().write(text)


def test_a_broken_stream_does_not_end_the_writer():
    """A write that fails loses its lines, later ones are written."""
    stream = Broken()
    log = RequestLog(stream)
    log.add(line(request_id="lost"))
    assert stream.failed.wait(30)
    log.add(line(request_id="kept"))
    log.close()
    assert "kept" in stream.getvalue()
    assert "lost" not in stream.getvalue()


def test_a_secret_that_came_as_an_account_name_is_blanked():
    """Names go through the same redaction as everything else."""
    stream = io.StringIO()
    log = RequestLog(stream)
    log.add(line(account="cbk_k1_canary0123456789"))
    log.close()
    assert "canary" not in stream.getvalue()


def test_no_request_log_drops_lines():
    """Where lines are not wanted they go nowhere."""
    NoRequestLog().add(line())
